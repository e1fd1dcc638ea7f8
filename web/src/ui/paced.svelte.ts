/** Lists that follow what does not stand still. */

/**
 * Follows what changes fast at a pace that can be read and drawn: the version grows at once where nothing changed lately,
 * and else when `gapMS` have passed. To be called while a component is made.
 */
export function paced(source: () => unknown, gapMS: number): { readonly version: number } {
  let version = $state(0);
  let looked = -Infinity;
  let waits: ReturnType<typeof setTimeout> | undefined;

  function look(): void {
    waits = undefined;
    looked = performance.now();
    version++;
  }

  $effect(() => {
    source();
    waits ??= setTimeout(look, Math.max(0, looked + gapMS - performance.now()));
  });
  $effect(() => () => clearTimeout(waits));

  return {
    get version() {
      return version;
    },
  };
}

/** Ranking what was typed against names. Pure. */

/**
 * How well a name fits what is wanted, 0 being best; undefined where it does not. Every word must be found: at
 * the start of the name, at the start of one of its words, or inside.
 */
export function rank(name: string, wanted: string): number | undefined {
  const text = name.toLowerCase();
  let worst = 0;
  for (const word of wanted.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = text.indexOf(word);
    if (at < 0) return undefined;
    const begins = at === 0 || text.includes(` ${word}`);
    worst = Math.max(worst, text === word ? 0 : at === 0 ? 1 : begins ? 2 : 3);
  }
  return worst;
}

/** The best of them in order of rank; of equal rank, in the order given. */
export function best<T extends { readonly name: string }>(items: Iterable<T>, wanted: string, most: number): T[] {
  const found: { item: T; by: number }[] = [];
  for (const item of items) {
    const by = rank(item.name, wanted);
    if (by !== undefined) found.push({ item, by });
  }
  found.sort((p, q) => p.by - q.by);
  return found.slice(0, most).map(({ item }) => item);
}

/** What is painted on: a canvas of the page, or one that a worker has. */
export type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
export type Surface = HTMLCanvasElement | OffscreenCanvas;

/** A canvas that is never shown. */
export function scratch(width: number, height: number): Surface {
  if (typeof OffscreenCanvas !== "undefined") return new OffscreenCanvas(width, height);
  return Object.assign(document.createElement("canvas"), { width, height });
}

/** The context of a surface; an error where the browser has no more memory for one. */
export function contextOf(surface: Surface): Context {
  const c = surface.getContext("2d") as Context | null;
  if (!c) throw new Error(`no memory for a canvas of ${String(surface.width)} by ${String(surface.height)} pixels: make the window smaller`);
  return c;
}

/** Files that the page makes: pictures, and handing them to the browser to be saved. */

/** Hands a file to the browser, which keeps it where it keeps what it downloads. */
export function saveAs(data: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a download that has not begun by then never will
}

/** An SVG document as a PNG of this size in pixels. */
export async function rasterise(svg: string, width: number, height: number): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image(width, height);
    image.src = url;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d")?.drawImage(image, 0, 0, width, height);
    return await encoded(canvas);
  } finally {
    URL.revokeObjectURL(url);
  }
}

function encoded(canvas: HTMLCanvasElement): Promise<Blob> {
  const refusal = new Error(`the browser makes no picture of ${String(canvas.width)} by ${String(canvas.height)} pixels: save an SVG`);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(refusal)), "image/png");
  });
}

/** How wide texts are in a font, in pixels. */
export function textMeasure(font: string): (text: string) => number {
  const c = document.createElement("canvas").getContext("2d");
  if (!c) return (text) => 7 * text.length;
  c.font = font;
  return (text) => c.measureText(text).width;
}

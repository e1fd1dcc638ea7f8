// Animated WebP from pictures of a page: the browser encodes what changed from one to the next, and what is written
// here is the container around it (RFC 9649, section 2.7).

/** The longest a frame may be shown, in ms: 24 bits. */
const LONGEST = 0xffffff;

/**
 * Encodes frames ({ png: base64, ms }) in a page of the browser. Returns the file; it repeats for ever.
 */
export async function animate(browser, frames, { quality = 0.8 } = {}) {
  const page = await browser.newPage();
  try {
    await page.evaluate(PATCHES);
    const patches = [];
    for (const { png, ms } of frames) {
      const patch = await page.evaluate(([data, q]) => window.patchOf(data, q), [png, quality]);
      if (patch) patches.push({ ...patch, ms });
      else patches.at(-1).ms += ms; // nothing changed
    }
    const { width, height } = patches[0];
    return container(width, height, patches);
  } finally {
    await page.close();
  }
}

/**
 * Defines patchOf in the page: the smallest rectangle that differs from the picture before, in which the blocks that
 * are the same are transparent.
 */
const PATCHES = `(() => {
  const BLOCK = 8; // pixels, at even places as the format wants it
  let before;

  async function pixelsOf(png) {
    const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes]));
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
    canvas.drawImage(image, 0, 0);
    return canvas.getImageData(0, 0, image.width, image.height);
  }

  /** The blocks [x, y] that differ. */
  function changed(now) {
    const [a, b] = [new Uint32Array(now.data.buffer), before && new Uint32Array(before.data.buffer)];
    const { width, height } = now;
    const differs = (x0, y0) => {
      for (let y = y0; y < Math.min(y0 + BLOCK, height); y++)
        for (let x = x0; x < Math.min(x0 + BLOCK, width); x++) if (!b || a[y * width + x] !== b[y * width + x]) return true;
      return false;
    };
    const blocks = [];
    for (let y = 0; y < height; y += BLOCK) for (let x = 0; x < width; x += BLOCK) if (differs(x, y)) blocks.push([x, y]);
    return blocks;
  }

  function base64(bytes) {
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  }

  window.patchOf = async (png, quality) => {
    const now = await pixelsOf(png);
    const blocks = changed(now);
    if (blocks.length === 0) return undefined;
    const [xs, ys] = [blocks.map((b) => b[0]), blocks.map((b) => b[1])];
    const [x, y] = [Math.min(...xs), Math.min(...ys)];
    const width = Math.min(Math.max(...xs) + BLOCK, now.width) - x;
    const height = Math.min(Math.max(...ys) + BLOCK, now.height) - y;
    const canvas = new OffscreenCanvas(width, height);
    const brush = canvas.getContext("2d");
    for (const [bx, by] of blocks) brush.putImageData(now, -x, -y, bx, by, BLOCK, BLOCK);
    before = now;
    const blob = await canvas.convertToBlob({ type: "image/webp", quality });
    return { x, y, width, height, webp: base64(new Uint8Array(await blob.arrayBuffer())) };
  };
})()`;

function container(width, height, patches) {
  const ANIMATION = 0x02;
  const ALPHA = 0x10;
  const extended = Buffer.alloc(10);
  extended[0] = ANIMATION | ALPHA;
  extended.writeUIntLE(width - 1, 4, 3);
  extended.writeUIntLE(height - 1, 7, 3);
  const chunks = [chunk("VP8X", extended), chunk("ANIM", Buffer.alloc(6)), ...patches.map(frame)];
  return chunk("RIFF", Buffer.concat([Buffer.from("WEBP"), ...chunks]));
}

/** A frame that is laid over what is there. */
function frame({ x, y, width, height, ms, webp }) {
  const head = Buffer.alloc(16);
  for (const [at, value] of [[0, x / 2], [3, y / 2], [6, width - 1], [9, height - 1], [12, Math.min(Math.round(ms), LONGEST)]]) {
    head.writeUIntLE(value, at, 3);
  }
  return chunk("ANMF", Buffer.concat([head, ...pictureIn(Buffer.from(webp, "base64"))]));
}

/** The chunks of a still picture that a frame consists of. */
function pictureIn(file) {
  const kept = [];
  for (let at = 12; at + 8 <= file.length; ) {
    const size = file.readUInt32LE(at + 4);
    const end = at + 8 + size + (size % 2);
    if (["ALPH", "VP8 ", "VP8L"].includes(file.toString("latin1", at, at + 4))) kept.push(file.subarray(at, end));
    at = end;
  }
  return kept;
}

function chunk(name, payload) {
  const head = Buffer.alloc(8);
  head.write(name, "latin1");
  head.writeUInt32LE(payload.length, 4);
  return Buffer.concat([head, payload, Buffer.alloc(payload.length % 2)]);
}

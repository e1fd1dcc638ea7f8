/** Small lines of what was measured lately. Pure. */

/**
 * The path of values, the oldest left, in a box of this size, 0 at its bottom. Where a value is not known the line
 * has a gap; a single known value is a dot's worth of line.
 */
export function sparkPath(values: readonly (number | undefined)[], most: number, width: number, height: number): string {
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const parts: string[] = [];
  let drawing = false;
  values.forEach((value, i) => {
    if (value === undefined) {
      drawing = false;
      return;
    }
    const [x, y] = [round(i * step), round(height - (height * Math.min(value, most)) / (most || 1))];
    parts.push(drawing ? `L${x} ${y}` : `M${x} ${y}h0.01`);
    drawing = true;
  });
  return parts.join("");
}

/** The same, closed along the bottom, to be filled. Values that are not known count as 0. */
export function sparkArea(values: readonly (number | undefined)[], most: number, width: number, height: number): string {
  if (values.length < 2) return "";
  const line = sparkPath(values.map((v) => v ?? 0), most, width, height);
  return `${line}L${round(width)} ${round(height)}L0 ${round(height)}Z`;
}

/** The last so many values, with unknown ones before them where there are fewer: so that time has one scale. */
export function lastOf<T>(values: readonly T[], count: number): (T | undefined)[] {
  const missing = Math.max(0, count - values.length);
  return [...Array.from({ length: missing }, () => undefined), ...values.slice(-count)];
}

function round(n: number): string {
  return String(Math.round(n * 10) / 10);
}

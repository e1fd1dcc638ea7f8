// Main-thread work per frame, from a trace that Chromium recorded.

const CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"];

/** Records what the browser does during the action; returns the work of each frame, in ms of processor time. */
export async function workPerFrame(browser, page, action) {
  await browser.startTracing(page, { categories: CATEGORIES });
  await action();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  return framesOf(traceEvents);
}

/** The tasks of the page's main thread, summed from one animation frame to the next. */
function framesOf(events) {
  const frames = events.filter((e) => e.name === "FireAnimationFrame");
  const main = mostCommon(frames.map((e) => `${e.pid}/${e.tid}`));
  const onMain = (e) => `${e.pid}/${e.tid}` === main;
  const starts = frames.filter(onMain).map((e) => e.ts).sort((a, b) => a - b);
  const tasks = events.filter((e) => e.name === "RunTask" && e.ph === "X" && onMain(e)).sort((a, b) => a.ts - b.ts);
  const work = new Map();
  for (const task of tasks) {
    const frame = lastBefore(starts, task.ts + task.dur);
    if (frame >= 0) work.set(frame, (work.get(frame) ?? 0) + (task.tdur ?? task.dur) / 1000);
  }
  // Two callbacks of one frame lie in one task: only starts that some task belongs to are frames.
  return [...work.values()].slice(1, -1);
}

function lastBefore(starts, ts) {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= ts) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function mostCommon(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort((p, q) => q[1] - p[1])[0]?.[0];
}

export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
}

// Main-thread work per frame, from a trace that Chromium recorded.

const CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"];

/**
 * Records what the browser does during the action. Returns the work of each frame of the page's main thread, each of its
 * tasks, and each painting in the painter's worker, in ms of processor time; and how many seconds that were.
 */
export async function traced(browser, page, action) {
  await browser.startTracing(page, { categories: CATEGORIES });
  const began = performance.now();
  await action();
  const seconds = (performance.now() - began) / 1000;
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const tasks = tasksOf(traceEvents);
  return { work: framesOf(tasks), tasks: tasks.map(workOf), paintings: paintingsOf(traceEvents), seconds };
}

/** In ms of processor time: that of others that want the same processor is not counted. */
function workOf(event) {
  return (event.tdur ?? event.dur) / 1000;
}

/** The frames of workers, of which the page has one. */
function paintingsOf(events) {
  const workers = new Set(events.filter((e) => e.name === "thread_name" && /Worker/.test(e.args.name)).map((e) => `${e.pid}/${e.tid}`));
  const frames = events.filter((e) => e.name === "FireAnimationFrame" && e.ph === "X" && workers.has(`${e.pid}/${e.tid}`));
  return frames.map(workOf);
}

const FRAME_US = 1e6 / 60;

/** The tasks of the page's main thread, in their order. */
function tasksOf(events) {
  const page = mainOf(events);
  return events.filter((e) => e.name === "RunTask" && e.ph === "X" && `${e.pid}/${e.tid}` === page).sort((a, b) => a.ts - b.ts);
}

/**
 * The work of each sixtieth of a second, of the tasks that began in it. A sixtieth that a longer
 * task before it took whole is no frame of its own: its work is counted where it began.
 */
function framesOf(tasks) {
  const [first, last] = [tasks[0], tasks.at(-1)];
  if (!first || !last) return [];
  const work = new Array(Math.floor((last.ts - first.ts) / FRAME_US) + 1).fill(0);
  for (const task of tasks) {
    const at = Math.floor((task.ts - first.ts) / FRAME_US);
    if (work[at] === undefined) work[at] = 0;
    work[at] += workOf(task);
    const until = Math.floor((task.ts + task.dur - first.ts) / FRAME_US);
    for (let covered = at + 1; covered < until; covered++) work[covered] = undefined;
  }
  return work.slice(1, -1).filter((ms) => ms !== undefined);
}

/** The thread on which the page's own script ran most. */
function mainOf(events) {
  const named = new Set(events.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain").map((e) => `${e.pid}/${e.tid}`));
  const counts = new Map();
  for (const e of events) {
    const thread = `${e.pid}/${e.tid}`;
    if (e.name === "FunctionCall" && named.has(thread)) counts.set(thread, (counts.get(thread) ?? 0) + 1);
  }
  return [...counts].sort((p, q) => q[1] - p[1])[0]?.[0];
}

export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
}

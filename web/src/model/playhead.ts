/**
 * Which moment of the traffic is looked at: now, or one before it, that stands still or runs on at a pace. The
 * mesh is never held up: what happens meanwhile is buffered. Pure; times in ms, `wall` on this machine's clock and
 * `live` and the result on the stream's.
 */
export interface Playhead {
  /** Whether it is kept at what happens now. */
  readonly live: boolean;
  readonly paused: boolean;
  /** 1 is the real pace, 0.1 a tenth of it. */
  readonly pace: number;
  /** Where it was, in stream ms, at a moment of the wall clock. */
  readonly atMS: number;
  readonly wallMS: number;
}

export const LIVE: Playhead = { live: true, paused: false, pace: 1, atMS: 0, wallMS: 0 };

/** The paces that can be chosen. */
export const PACES = [1, 0.5, 0.2, 0.1, 0.02] as const;

/** The moment shown; it never gets ahead of what happens now. */
export function shownAt(head: Playhead, wallMS: number, liveMS: number): number {
  if (head.live) return liveMS;
  const run = head.paused ? 0 : (wallMS - head.wallMS) * head.pace;
  return Math.min(liveMS, head.atMS + run);
}

export function paused(head: Playhead, wallMS: number, liveMS: number): Playhead {
  return { ...head, live: false, paused: true, atMS: shownAt(head, wallMS, liveMS), wallMS };
}

/** Runs on from where it stands. */
export function resumed(head: Playhead, wallMS: number, liveMS: number): Playhead {
  return { ...head, paused: false, atMS: shownAt(head, wallMS, liveMS), wallMS };
}

/** Stands at another moment. */
export function scrubbed(head: Playhead, atMS: number, wallMS: number): Playhead {
  return { ...head, live: false, paused: true, atMS, wallMS };
}

/** Runs on from here at another pace. Slower than real can not be live: it falls behind while something happens. */
export function paced(head: Playhead, pace: number, wallMS: number, liveMS: number): Playhead {
  return { live: head.live && pace === 1, paused: head.paused, pace, atMS: shownAt(head, wallMS, liveMS), wallMS };
}

/** At what happens now; in slow motion, what happens from now on. */
export function toLive(head: Playhead, wallMS: number, liveMS: number): Playhead {
  return { ...head, live: head.pace === 1, paused: false, atMS: liveMS, wallMS };
}

/** Moved over a stretch in which nothing happened. */
export function skipped(head: Playhead, toMS: number, wallMS: number): Playhead {
  return { ...head, atMS: toMS, wallMS };
}

/** Moments of this machine, in ms, the same for a page and its workers; unlike the date it never jumps. */
export function wall(): number {
  return performance.timeOrigin + performance.now();
}

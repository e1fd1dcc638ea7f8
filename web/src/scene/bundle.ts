/** Crowded traffic: circles that would cover each other on one link become one mark that says how many they are. */
import { mix, type Screen } from "../geometry/space";
import type { Dot } from "./motion";

export interface Mark {
  /** The event it is coloured by: the first of a bundle's. */
  readonly event: string;
  /** How many events it stands for. */
  readonly count: number;
  readonly mixed: boolean; // whether they are several events
  readonly from: Screen; // where the link begins, for the trail
  readonly at: Screen;
  readonly retry: boolean;
}

const NEAR = 13; // screen pixels along a link that one mark stands for

const FEW = 3; // circles on one spot that are still told apart

/** Circles on their way, bundled; `at` says where a server is on the screen, undefined where it is gone. */
export function bundled(dots: Iterable<Dot>, at: (server: number) => Screen | undefined): Mark[] {
  const spots = new Map<number, Mark[]>();
  for (const dot of dots) {
    const { from, to, along } = dot.place;
    const [a, b] = [at(from), at(to)];
    if (!a || !b) continue;
    const cells = Math.ceil(Math.hypot(b.x - a.x, b.y - a.y) / NEAR);
    const spot = (from * 65_536 + to) * 4096 + Math.min(4095, Math.floor(along * cells));
    const mark = { event: dot.event, count: 1, mixed: false, from: a, at: mix(a, b, along), retry: dot.retry };
    const there = spots.get(spot);
    if (there) there.push(mark);
    else spots.set(spot, [mark]);
  }
  return [...spots.values()].flatMap((marks) => (marks.length > FEW ? [together(marks)] : marks));
}

function together(marks: readonly Mark[]): Mark {
  const middle = marks[marks.length >> 1] as Mark;
  const mixed = marks.some((m) => m.event !== middle.event);
  return { ...middle, count: marks.length, mixed, retry: marks.every((m) => m.retry) };
}

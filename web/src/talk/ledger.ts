/**
 * Who has which message: what servers said they have, joined with what the traffic reported. Pure.
 */
import { type Delivery, handings, type Tracked } from "../model/traffic";
import type { Message } from "../model/types";

export interface Holding {
  readonly server: number;
  /**
   * "author" wrote it, "has" received it, "waiting" was sent it and has not answered, "failed" was not reached,
   * "missing" was asked and has it not; "barred" has it not and can not be reached now; of "unknown" nothing was seen,
   * and it was not asked or could not answer; "joining" is not in the room yet, and may drop what it is sent until it is.
   */
  readonly state: "author" | "has" | "waiting" | "failed" | "missing" | "barred" | "unknown" | "joining";
  /** From the author's first handing it to the transport; absent where that was not seen. */
  readonly delayMS?: number;
  /** Whether an attempt to send it had failed before. */
  readonly retried?: true;
  readonly why?: string;
  /** What bars the way to it, in a word or two. */
  readonly bar?: string;
}

/** What bars the way from the one to the other now, in a word or two such as "no path"; undefined where nothing does. */
export type Bars = (from: number | undefined, to: number) => string | undefined;

export interface Entry {
  readonly message: Message;
  readonly holdings: readonly Holding[];
}

/** What each server was found to have, by server: event ids, in the order in which it has them. */
export type Views = ReadonlyMap<number, ReadonlySet<string>>;

/** The server in a Matrix user id: `@x:hs3` is `hs3`. */
export function serverOf(userID: string): string {
  return userID.slice(userID.indexOf(":") + 1);
}

export function entryOf(
  message: Message,
  members: readonly number[],
  views: Views,
  tracked: Tracked | undefined,
  idOf: (serverName: string) => number | undefined,
  barred: Bars = () => undefined,
  joining: readonly number[] = [],
): Entry {
  const author = idOf(serverOf(message.sender));
  const handed = tracked ? handings(tracked) : new Map<number, number>();
  const holdings = members.map((server): Holding => {
    if (server === author) return { server, state: "author" };
    const delivery = tracked?.deliveries.get(server);
    const holding = received(server, delivery, handed) ?? otherwise(server, message, views, delivery);
    const bar = holding.state === "has" || holding.state === "unknown" ? undefined : barred(author, server);
    return bar === undefined ? holding : { ...holding, state: "barred", bar };
  });
  return { message, holdings: [...holdings, ...joining.map((server): Holding => ({ server, state: "joining" }))] };
}

/** The holding of a server whose receipt was seen; undefined of others. */
function received(server: number, delivery: Delivery | undefined, handed: ReadonlyMap<number, number>): Holding | undefined {
  if (delivery?.receivedMS === undefined) return undefined;
  const began = handed.get(delivery.from);
  return {
    server,
    state: "has",
    ...(began === undefined ? {} : { delayMS: delivery.receivedMS - began }),
    ...(delivery.attempt > 1 ? { retried: true } : {}),
  };
}

function otherwise(server: number, message: Message, views: Views, delivery: Delivery | undefined): Holding {
  const view = views.get(server);
  if (view?.has(message.event_id)) return { server, state: "has" };
  if (delivery?.failure !== undefined) return { server, state: "failed", why: delivery.failure };
  if (delivery) return { server, state: "waiting" };
  return { server, state: view ? "missing" : "unknown" };
}

export interface Reach {
  readonly have: number;
  readonly of: number;
  /** Of how many it is not known. */
  readonly unknown: number;
  /** How many are not in the room yet. */
  readonly joining: number;
}

/** How many of the others have it, of how many. */
export function reachOf(entry: Entry): Reach {
  const others = entry.holdings.filter((h) => h.state !== "author");
  const count = (state: Holding["state"]) => others.filter((h) => h.state === state).length;
  return { have: count("has"), of: others.length, unknown: count("unknown"), joining: count("joining") };
}

/** The reach as a sentence that is true whatever those have that were not asked. */
export function sayReach({ have, of, unknown, joining }: Reach): string {
  if (of === 0) return "nobody else is here yet";
  if (have === of) return "all have it";
  const known = `${String(have)} of ${String(of)} ${unknown > 0 ? "known to have it" : "have it"}`;
  return joining > 0 ? `${known}, ${sayJoining(joining)}` : known;
}

export function sayJoining(count: number): string {
  return `${String(count)} ${count === 1 ? "is" : "are"} joining`;
}

/** Messages in the order they were written, by the clocks of their authors. */
export function inOrder(messages: Iterable<Message>): Message[] {
  return [...messages].sort((a, b) => a.ts - b.ts || (a.event_id < b.event_id ? -1 : 1));
}

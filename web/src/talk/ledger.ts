/**
 * Who has which message: what servers said they have, joined with what the traffic reported. Pure.
 */
import type { Tracked } from "../model/traffic";
import type { Message } from "../model/types";

export interface Holding {
  readonly server: number;
  /** "author" wrote it, "has" received it, "waiting" was sent it and has not answered, "failed" was not reached. */
  readonly state: "author" | "has" | "waiting" | "failed" | "missing";
  readonly delayMS?: number;
  readonly why?: string;
}

export interface Entry {
  readonly message: Message;
  readonly holdings: readonly Holding[];
}

/** What each server was found to have, by server: event ids. */
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
): Entry {
  const author = idOf(serverOf(message.sender));
  return { message, holdings: members.map((server) => holdingOf(server, message, author, views, tracked)) };
}

function holdingOf(
  server: number,
  message: Message,
  author: number | undefined,
  views: Views,
  tracked: Tracked | undefined,
): Holding {
  if (server === author) return { server, state: "author" };
  const delivery = tracked?.deliveries.get(server);
  if (delivery?.receivedMS !== undefined) {
    const delayMS = delivery.receivedMS - delivery.sentMS;
    return Number.isFinite(delayMS) ? { server, state: "has", delayMS } : { server, state: "has" };
  }
  if (views.get(server)?.has(message.event_id)) return { server, state: "has" };
  if (delivery?.failure !== undefined) return { server, state: "failed", why: delivery.failure };
  return { server, state: delivery ? "waiting" : "missing" };
}

/** How many of the others have it, of how many. */
export function reachOf(entry: Entry): { have: number; of: number } {
  const others = entry.holdings.filter((h) => h.state !== "author");
  return { have: others.filter((h) => h.state === "has").length, of: others.length };
}

/** Messages in the order they were written, by the clocks of their authors. */
export function inOrder(messages: Iterable<Message>): Message[] {
  return [...messages].sort((a, b) => a.ts - b.ts || (a.event_id < b.event_id ? -1 : 1));
}

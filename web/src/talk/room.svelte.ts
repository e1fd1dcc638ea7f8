/** One room as Talk shows it: asks servers for what they have and keeps what they said. */
import { api, sentenceOf } from "../model/api";
import type { Message } from "../model/types";
import { inOrder, type Views } from "./ledger";

const AT_ONCE = 6; // requests side by side, as many as a browser sends anyway
const SHOWN = 100; // events asked for

const KEPT = 400; // events of a room; twice as many are cut down to these

/** The newest events by their authors' clocks, so that a room that is talked in for hours stays small here. */
function newest(events: Message[]): Map<string, Message> {
  const kept = events.length <= 2 * KEPT ? events : inOrder(events).slice(-KEPT);
  return new Map(kept.map((e) => [e.event_id, e]));
}

export class RoomView {
  readonly id: string;
  /** Everything that a server was found to have, by id. */
  events = $state.raw<ReadonlyMap<string, Message>>(new Map());
  /** Those of them that are messages. */
  readonly messages: ReadonlyMap<string, Message> = $derived(
    new Map([...this.events].filter(([, e]) => e.type === "m.room.message")),
  );
  /** What each server has, in its own order. */
  views = $state.raw<Views>(new Map());
  /** Why a server could not be asked, by server. */
  refused = $state.raw<ReadonlyMap<number, string>>(new Map());
  /** Who is being asked; true where there is a reason to ask again, as an answer may be older than its question. */
  readonly #asking = new Map<number, boolean>();

  constructor(id: string) {
    this.id = id;
  }

  /** Asks servers what they have. */
  async load(servers: readonly number[]): Promise<void> {
    const waiting = [...servers];
    const worker = async () => {
      for (let s = waiting.shift(); s !== undefined; s = waiting.shift()) await this.#ask(s);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  /** Adds a message that was just sent, before any server is asked. */
  add(message: Message, server: number): void {
    this.events = new Map(this.events).set(message.event_id, message);
    const view = this.views.get(server); // one that was never asked stays so: it may have more than this
    if (view) this.views = new Map(this.views).set(server, new Set(view).add(message.event_id));
  }

  async #ask(server: number): Promise<void> {
    if (this.#asking.has(server)) {
      this.#asking.set(server, true);
      return;
    }
    this.#asking.set(server, false);
    const refused = new Map(this.refused);
    try {
      const found = await api.messages(this.id, server, SHOWN);
      const fresh = found.filter((e) => !this.events.has(e.event_id));
      if (fresh.length > 0) this.events = newest([...this.events.values(), ...fresh]);
      this.views = new Map(this.views).set(server, new Set(found.map((m) => m.event_id)));
      refused.delete(server);
    } catch (error) {
      refused.set(server, sentenceOf(error));
    }
    this.refused = refused;
    const again = this.#asking.get(server);
    this.#asking.delete(server);
    if (again) await this.#ask(server);
  }
}

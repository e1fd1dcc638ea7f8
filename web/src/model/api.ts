/** The operations of /api/v1. Every refusal is a [Refusal], which carries the mesh's own sentence. */
import { plainDurations } from "../units";
import type {
  Chatter,
  Example,
  Imported,
  ImportPreview,
  ImportSource,
  LinkCounters,
  LinkPins,
  LogLine,
  Merging,
  Message,
  NewImport,
  NewRoom,
  NewServer,
  Peer,
  PingReply,
  PinnedPair,
  Room,
  Server,
  Settings,
  TraceHop,
  Transport,
  Usage,
  Version,
} from "./types";

const ROOT = "/api/v1";

export class Refusal extends Error {
  readonly status: number;
  /** What was wrong with single fields, by their name in the request. */
  readonly fields: ReadonlyMap<string, string>;

  constructor(status: number, sentence: string, fields: ReadonlyMap<string, string> = new Map()) {
    super(sentence);
    this.name = "Refusal";
    this.status = status;
    this.fields = fields;
  }
}

export type FileFormat = NonNullable<ImportSource["format"]>;
export type LifeCycleAction = "start" | "stop" | "pause" | "resume" | "restore" | "restart" | "kill";

export const api = {
  version: () => call<Version>("GET", "/version"),
  addServer: (at: NewServer) => call<Server>("POST", "/servers", at),
  moveServer: (id: number, to: { x: number; y: number }) => call<Server>("PATCH", `/servers/${id}`, to),
  removeServer: (id: number) => call<unknown>("DELETE", `/servers/${id}`),
  act: (id: number, action: LifeCycleAction) => call<unknown>("POST", `/servers/${id}/${action}`),
  settings: () => call<Settings>("GET", "/settings"),
  peers: (id: number) => call<Peer[]>("GET", `/servers/${id}/peers`),
  merging: () => call<Merging>("GET", "/merging"),
  usage: (id: number) => call<Usage>("GET", `/servers/${id}/usage`),
  /** Lines of a server's log as they come, until the signal aborts. */
  log: (id: number, lines: number, signal: AbortSignal) => linesOf<LogLine>(`/servers/${id}/log?lines=${lines}&follow=true`, signal),
  /** What comes of a request a second, until there were so many or the signal aborts. */
  ping: (id: number, to: number, count: number, signal: AbortSignal) => linesOf<PingReply>(`/servers/${id}/ping?to=${to}&count=${count}`, signal),
  /** The hops of the path as they are known, until the signal aborts. */
  traceroute: (id: number, to: number, signal: AbortSignal) => linesOf<TraceHop>(`/servers/${id}/traceroute?to=${to}`, signal),
  chatter: (room: string) => call<Chatter>("GET", `/rooms/${encodeURIComponent(room)}/chatter`),
  setChatter: (room: string, per_second: number) => call<Chatter>("PUT", `/rooms/${encodeURIComponent(room)}/chatter`, { per_second }),
  setSettings: (settings: Settings) => call<unknown>("PUT", "/settings", settings),
  setLink: (a: number, b: number, pins: LinkPins) =>
    call<LinkPins>("PUT", `/links/${a}/${b}`, pins),
  pins: () => call<PinnedPair[]>("GET", "/pins"),
  counters: (a: number, b: number) => call<LinkCounters[]>("GET", `/links/${a}/${b}/counters`),
  /** Reading a large file takes seconds: meshsim stops when the signal aborts. */
  previewImport: (source: ImportSource, signal: AbortSignal) => call<ImportPreview>("POST", "/import/preview", source, signal),
  importMesh: (source: NewImport, signal: AbortSignal) => call<Imported>("POST", "/import", source, signal),
  examples: () => call<Example[]>("GET", "/examples"),
  exportMesh: (format: FileFormat) => file(`/export?format=${format}`),
  transport: () => call<Transport>("GET", "/transport"),
  setTransport: (transport: Transport) => call<Transport>("PUT", "/transport", transport),
  addRoom: (room: NewRoom) => call<Room>("POST", "/rooms", room),
  addMembers: (room: string, servers: number[]) =>
    call<unknown>("POST", `/rooms/${encodeURIComponent(room)}/members`, { servers }),
  send: (room: string, server: number, body: string) =>
    call<{ event_id: string }>("POST", `/rooms/${encodeURIComponent(room)}/messages`, { server, body }),
  messages: (room: string, server: number, limit = 50) =>
    call<Message[]>("GET", `/rooms/${encodeURIComponent(room)}/messages?server=${server}&limit=${limit}`),
};

async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const text = await (await ask(method, path, body, signal)).text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** A file to be saved, by the name that the mesh gives it. */
async function file(path: string): Promise<{ readonly name: string; readonly data: Blob }> {
  const answer = await ask("GET", path);
  const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "mesh";
  return { name, data: await answer.blob() };
}

/** JSON values, one a line, each as soon as it is there. */
async function* linesOf<T>(path: string, signal: AbortSignal): AsyncGenerator<T> {
  const { body } = await ask("GET", path, undefined, signal);
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line) as T;
  }
}

async function ask(method: string, path: string, body?: unknown, signal: AbortSignal | null = null): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(ROOT + path, {
      method,
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
  } catch {
    throw new Refusal(0, "meshsim can not be reached, so nothing was changed. Is it still running?");
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

interface Problem {
  title?: string;
  detail?: string;
  errors?: { message?: string; location?: string }[] | null;
}

async function refusal(answer: Response): Promise<Refusal> {
  const problem = (await answer.json().catch(() => ({}))) as Problem;
  const fields = new Map<string, string>();
  for (const e of problem.errors ?? []) {
    if (e.location && e.message) fields.set(e.location.replace(/^body\./, ""), e.message);
  }
  const sentence = problem.detail ?? problem.title ?? `meshsim answered ${String(answer.status)}.`;
  return new Refusal(answer.status, capitalised(sentence), fields);
}

/** Sentences begin with a capital, names of fields do not. */
function capitalised(sentence: string): string {
  return /^[a-z]{2,} /.test(sentence) ? sentence.charAt(0).toUpperCase() + sentence.slice(1) : sentence;
}

/** The sentence to show for whatever was thrown. */
export function sentenceOf(error: unknown): string {
  return plainDurations(error instanceof Error ? error.message : String(error));
}

/** What pings and traceroutes answer, as the inspector shows it. Pure. */
import { formatLatency } from "../units";
import type { PingReply, TraceHop } from "./types";

const OUTCOMES: Readonly<Record<Exclude<PingReply["outcome"], "reply" | "error">, string>> = {
  ttl_exceeded: "went too many hops",
  unreachable: "found no way",
  too_big: "was too big for a link",
  lost: "no answer",
};

/** One request of a ping and what came of it. */
export function sayReply(reply: PingReply): string {
  if (reply.outcome === "error") return reply.error ?? "The ping ended.";
  if (reply.outcome === "reply") return `${String(reply.seq)}: ${rtt(reply)}`;
  const by = reply.from === undefined ? "" : `, says ${who(reply)}`;
  return `${String(reply.seq)}: ${OUTCOMES[reply.outcome]}${by}`;
}

/** All requests of a ping in one line; empty before the first. */
export function sayPinged(replies: readonly PingReply[]): string {
  const asked = replies.filter((r) => r.outcome !== "error");
  if (asked.length === 0) return "";
  const times = asked.flatMap((r) => (r.outcome === "reply" && r.rtt_ms !== undefined ? [r.rtt_ms] : []));
  const count = `${String(times.length)} of ${String(asked.length)} answered`;
  if (times.length === 0) return count;
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
  return `${count}; least ${formatLatency(Math.min(...times))}, mean ${formatLatency(mean)}, most ${formatLatency(Math.max(...times))}`;
}

/** A hop of a traceroute: each who answered, with its times. */
export function sayHop(hop: TraceHop): string {
  if (hop.error) return hop.error;
  const answers = new Map<string, string[]>();
  for (const r of hop.replies) {
    const name = r.from === undefined ? "no answer" : who(r);
    const note = r.outcome === "unreachable" || r.outcome === "too_big" ? `(${OUTCOMES[r.outcome]})` : "";
    const said = [r.from === undefined ? "" : rtt(r), note].filter(Boolean).join(" ");
    answers.set(name, [...(answers.get(name) ?? []), ...(said ? [said] : [])]);
  }
  const said = [...answers].map(([name, times]) => (times.length > 0 ? `${name} ${times.join(", ")}` : name));
  return `${String(hop.ttl)}: ${said.join("; ")}`;
}

function who(reply: PingReply): string {
  return reply.name ?? reply.from ?? "";
}

function rtt(reply: PingReply): string {
  return reply.rtt_ms === undefined ? "" : formatLatency(reply.rtt_ms);
}

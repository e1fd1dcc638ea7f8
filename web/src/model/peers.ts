/** What one server has to send to others, as the inspector shows it. Pure. */
import { formatLatency } from "../units";
import type { Peer } from "./types";

/** Those where something waits or failed first, the most waiting first; then the others by name. */
export function inNeed(peers: readonly Peer[]): Peer[] {
  const need = (p: Peer) => (p.backoff_ms > 0 ? 1e9 : 0) + p.pdus + p.edus;
  return [...peers].sort((p, q) => need(q) - need(p) || (p.name < q.name ? -1 : 1));
}

/** What a server does about a peer now, in a few words. */
export function sayPeer(peer: Peer, nowMS: number): string {
  const waiting = [...(peer.pdus > 0 ? [counted(peer.pdus, "event")] : []), ...(peer.edus > 0 ? [counted(peer.edus, "EDU")] : [])].join(", ");
  if (peer.backoff_ms > 0) return [waiting ? waits(waiting) : "", sayRetry(peer, nowMS)].filter(Boolean).join("; ");
  if (peer.sending) return waiting ? `sending, ${waiting}` : "sending";
  return waiting ? waits(waiting) : "nothing waits";
}

function sayRetry(peer: Peer, nowMS: number): string {
  if (peer.sending) return "tries again now";
  const left = (peer.next_try_ms ?? nowMS) - nowMS;
  if (left < 1000) return "tries again now";
  return `tries again in ${left < 60_000 ? `${String(Math.round(left / 1000))} s` : formatLatency(left)}`;
}

/** What of a peer was not taken, in a few words; empty where all of it was. */
export function sayRefused(peer: Peer): string {
  const events = [
    [peer.rejected, "rejected"],
    [peer.soft_failed, "soft-failed"],
    [peer.dropped_pdus, "dropped"],
  ] as const;
  const refused = events.filter(([n]) => n > 0).map(([n, how], i) => (i === 0 ? `${counted(n, "event")} ${how}` : `${String(n)} ${how}`));
  const parts = [
    ...(refused.length > 0 ? [refused.join(", ")] : []),
    ...(peer.dropped_edus > 0 ? [`${counted(peer.dropped_edus, "EDU")} dropped`] : []),
    ...(peer.bad_requests > 0 ? [counted(peer.bad_requests, "malformed request")] : []),
  ];
  return parts.length > 0 ? `from there: ${parts.join("; ")}` : "";
}

function waits(what: string): string {
  return `${what} ${what.startsWith("1 ") && !what.includes(",") ? "waits" : "wait"}`;
}

function counted(n: number, what: string): string {
  return `${String(n)} ${what}${n === 1 ? "" : "s"}`;
}

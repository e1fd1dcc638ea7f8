/** What can be asked of a server in which state. */
import type { LifeCycleAction } from "../model/api";
import type { ServerState } from "../model/types";

export interface Action {
  readonly action: LifeCycleAction;
  readonly label: string;
  readonly icon: "play" | "pause" | "stop" | "restart" | "kill";
  readonly title?: string;
  /** Only for a server that is a container. */
  readonly contained?: true;
  readonly from: readonly ServerState[];
}

export const ACTIONS: readonly Action[] = [
  { action: "start", label: "Start", icon: "play", from: ["stopped", "failed", "new"] },
  { action: "resume", label: "Resume", icon: "play", from: ["paused"] },
  { action: "pause", label: "Pause", icon: "pause", from: ["running"] },
  { action: "stop", label: "Stop", icon: "stop", from: ["running", "paused", "starting"] },
  { action: "restart", label: "Restart", icon: "restart", from: ["running"], title: "Stop and start again, with its data" },
  { action: "kill", label: "Kill", icon: "kill", from: ["running", "paused"], title: "End its process as kill -9 does; its data stay", contained: true },
];

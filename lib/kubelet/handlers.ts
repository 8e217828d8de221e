// SPDX-License-Identifier: Apache-2.0
/** What the kubelet face asks of whoever plays the node behind it. */
import type { StatsSummary } from "./stats.ts";

/** One node's answers. Each throws an AranyaError that becomes HTTP status or stream error through ERROR_FACES. */
export interface KubeletHandlers {
  /** Checks that pod and container exist and can be reached, before the connection is upgraded; then runs. */
  exec(call: ExecCall): Promise<ExitStatus>;
  attach(call: AttachCall): Promise<ExitStatus>;
  /** Log bytes; the promise resolves when it is known that there is a log. */
  logs(call: LogsCall): Promise<AsyncIterable<Uint8Array>>;
  /** One TCP connection; called once per stream pair. */
  portForward(call: PortForwardCall): Promise<void>;
  /** Resolves when such a stream may start; throws what the client is to see as HTTP status. */
  check(
    target: PodTarget,
    verb: "exec" | "attach" | "portForward" | "logs",
  ): Promise<void>;
  /** PodList as JSON for /pods and /runningpods. */
  pods(options: { running: boolean }): Promise<unknown>;
  /** Summary API object for /stats/summary; /metrics/resource is rendered from it. */
  stats(signal: AbortSignal): Promise<StatsSummary>;
}

/** A container of a pod, as the URL names it. */
export interface PodTarget {
  namespace: string;
  pod: string;
  /** Empty: the URL has none (port-forward). */
  container: string;
  /** From the URL when the API server gives it. */
  uid?: string;
}

/** Bytes between kubectl and a process. */
export interface CallIo {
  /** Ends at the client's EOF; throws when the client has gone. */
  stdin: AsyncIterable<Uint8Array>;
  /** The promise is the back-pressure. */
  stdout(chunk: Uint8Array): Promise<void>;
  stderr(chunk: Uint8Array): Promise<void>;
  resizes: AsyncIterable<{ width: number; height: number }>;
  /** Aborted when the client has left. */
  signal: AbortSignal;
}

/** kubectl exec. */
export interface ExecCall {
  target: PodTarget;
  command: string[];
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
  io: CallIo;
}

/** kubectl attach. */
export type AttachCall = Omit<ExecCall, "command">;

/** How a command ended. */
export interface ExitStatus {
  /** 128+n after signal n. */
  code: number;
  /** Empty or absent for a plain exit. */
  reason?: string;
  message?: string;
}

/** kubectl logs, options already checked. */
export interface LogsCall {
  target: PodTarget;
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  tailLines?: number;
  limitBytes?: number;
  sinceSeconds?: number;
  sinceTime?: string;
  /** Aborted when the client has left. */
  signal: AbortSignal;
}

/** One connection of kubectl port-forward. */
export interface PortForwardCall {
  target: PodTarget;
  port: number;
  input: AsyncIterable<Uint8Array>;
  output(chunk: Uint8Array): Promise<void>;
  /** The target has closed its side. */
  endOutput(): Promise<void>;
  signal: AbortSignal;
}

// SPDX-License-Identifier: Apache-2.0
/** What the kubelet face asks of whoever plays the node behind it. */
import type { StatsSummary } from "./resource_metrics.ts";

/** One node's answers. Each throws an AranyaError that becomes HTTP status or stream error through ERROR_MAPPINGS. */
export interface KubeletHandlers {
  /** Checks that pod and container exist and can be reached, before the connection is upgraded; then runs. */
  exec(call: ExecCall): Promise<ExitStatus>;
  /** Joins a container that runs, until it or the client ends. */
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
  /** The pod's namespace. */
  namespace: string;
  /** The pod's name. */
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
  /** As stdout. */
  stderr(chunk: Uint8Array): Promise<void>;
  /** Terminal sizes in characters; a reader that lags gets the latest. */
  resizes: AsyncIterable<{ width: number; height: number }>;
  /** Aborted when the client has left. */
  signal: AbortSignal;
}

/** kubectl exec. */
export interface ExecCall {
  /** Which container, or pod. */
  target: PodTarget;
  /** Program and arguments. */
  command: string[];
  /** Whether the client sends input. */
  stdin: boolean;
  /** Whether it takes standard output. */
  stdout: boolean;
  /** Whether it takes standard error; never with a terminal. */
  stderr: boolean;
  /** Whether the process gets a terminal. */
  tty: boolean;
  /** The client's side. */
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
  /** For people, when there is a reason. */
  message?: string;
}

/** kubectl logs, options already checked. */
export interface LogsCall {
  /** Which container, or pod. */
  target: PodTarget;
  /** Go on with what comes. */
  follow: boolean;
  /** Of the instance before the last restart. */
  previous: boolean;
  /** Each line begins with its time, RFC 3339 with nanoseconds. */
  timestamps: boolean;
  /** So many lines from the end; 0 or more. */
  tailLines?: number;
  /** At most so many bytes; 1 or more. */
  limitBytes?: number;
  /** Not older than so many seconds; 1 or more, and never beside sinceTime. */
  sinceSeconds?: number;
  /** Not older than this, RFC 3339. */
  sinceTime?: string;
  /** Aborted when the client has left. */
  signal: AbortSignal;
}

/** One connection of kubectl port-forward. */
export interface PortForwardCall {
  /** Which container, or pod. */
  target: PodTarget;
  /** 1 to 65535. */
  port: number;
  /** Ends at the client's half-close; throws when the client has left or dropped the connection. */
  input: AsyncIterable<Uint8Array>;
  /** The promise is the back-pressure. */
  output(chunk: Uint8Array): Promise<void>;
  /** The target has closed its side. */
  endOutput(): Promise<void>;
  /** Aborted when the client has left or dropped the connection. */
  signal: AbortSignal;
}

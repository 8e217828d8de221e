// SPDX-License-Identifier: Apache-2.0
/** The interface between the kubelet API server and the node behind it. */
import type {
  AttachRequest,
  ExecIo,
  ExecRequest,
  ExitStatus,
  ForwardedPort,
  LogsRequest,
  PodTarget,
} from "../../shared/exec/mod.ts";
import type { StatsSummary } from "./stats_summary.ts";

/**
 * Runs a command that was located.
 * @throws {AranyaError} becomes the Status on the client's error stream
 */
export type RunCommand = (io: ExecIo) => Promise<ExitStatus>;

/**
 * Carries one TCP connection into a pod that was located, until both directions have ended.
 * @throws {AranyaError} as {@linkcode RunCommand}
 */
export type ForwardPort = (connection: ForwardedPort) => Promise<void>;

/**
 * One node's answers to the kubelet API. Calls with streams have two steps: the first locates pod
 * and container, and what it throws becomes the HTTP status of the upgrade; the second runs on the
 * upgraded connection. Errors are AranyaErrors, whose codes `ERROR_MAPPINGS` maps to HTTP.
 */
export interface KubeletHandlers {
  /**
   * Locates the container of `kubectl exec` and checks that a command can run in it. Runs nothing
   * yet.
   */
  exec(request: ExecRequest<PodTarget>): Promise<RunCommand>;
  /**
   * Locates the container of `kubectl attach`. The command ends with the container or the client.
   */
  attach(request: AttachRequest<PodTarget>): Promise<RunCommand>;
  /** Locates the pod of `kubectl port-forward`; the result is called once per connection. */
  portForward(target: PodTarget): Promise<ForwardPort>;
  /**
   * Opens a container's log. Resolves once it is known that there is one, with its bytes.
   * @param signal aborted when the client has left
   */
  logs(
    request: LogsRequest<PodTarget>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
  /** Returns a v1 PodList: all pods of the node for /pods, those that run for /runningpods. */
  pods(options: { running: boolean }): Promise<unknown>;
  /** Returns the node's statistics for /stats/summary; /metrics/resource is rendered from them. */
  stats(signal: AbortSignal): Promise<StatsSummary>;
}

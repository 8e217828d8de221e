// SPDX-License-Identifier: Apache-2.0
/** The contract of a container engine and of the host, as the rooms above use them. */
import type {
  AttachRequest,
  ConnectionIo,
  ExecIo,
  ExecRequest,
  ExitStatus,
  LogOptions,
} from "../../shared/exec/mod.ts";
import type {
  Container,
  ContainerStats,
  Dns,
  HostAlias,
  RegistryCredential,
  Sysctl,
} from "../../shared/wire/mod.ts";

/**
 * Containers of pods on one engine. Every method is idempotent: it makes sure of a state. Errors
 * are AranyaErrors, with code "unavailable" while the engine can't be reached.
 */
export interface PodRuntime {
  /**
   * Makes sure that the pod's infra container runs, which holds the pod's network namespace, and
   * returns its addresses. Creates the pod network when it is missing. When the signal is aborted
   * it begins nothing more; it ends when the engine has answered what was begun.
   */
  ensureSandbox(request: SandboxRequest, signal: AbortSignal): Promise<Sandbox>;
  /**
   * Removes the infra container, which frees the pod's addresses. Other containers stay, with their
   * logs; they must have exited.
   */
  stopSandbox(podUid: string): Promise<void>;
  /** Removes all containers of the pod, killing those that run; the infra container last. */
  removeSandbox(podUid: string): Promise<void>;
  /**
   * Creates and starts a container and returns its id; returns that of an earlier call for the same
   * attempt. A container that was created but can't be started stays: `listPods` then returns it as
   * exited with code 128. When the signal is aborted it begins nothing more; it ends when the
   * engine has answered what was begun, and removes what was created and is not going to be
   * started.
   * @throws {AranyaError} code "not_found" when the command or image is missing, "invalid" for a
   * bad configuration, "conflict" when the infra container is not running
   */
  startContainer(
    request: ContainerRequest,
    signal: AbortSignal,
  ): Promise<string>;
  /**
   * Sends SIGTERM (or the image's stop signal), and SIGKILL after the grace period; resolves when
   * the container has terminated. A second call with a shorter grace period shortens that of the
   * first. Aborting the signal ends the wait, not the stop.
   */
  stopContainer(
    id: string,
    options: { graceMs: number; signal: AbortSignal },
  ): Promise<void>;
  /** Removes a container with its log; kills it when it is running. */
  removeContainer(id: string): Promise<void>;
  /**
   * Returns this device's pods on the engine. It reads labels only, and so works after a restart.
   */
  listPods(): Promise<RuntimePod[]>;
  /**
   * Yields the UID of a pod after something happened in it (start, die, oom, destroy), and "" when
   * events may have been missed, so that all pods must be synced. Ends with the signal.
   */
  watchPods(signal: AbortSignal): AsyncIterable<string>;
}

/** Images on an engine. */
export interface ImageRuntime {
  /**
   * Makes sure that the image is on the engine: pulls it when the policy requires that.
   * @throws {AranyaError} code "not_found" when it is unknown to the registry, or missing with
   * policy "never"; "unauthorized"; "unavailable" when the registry can't be reached, or the
   * engine, see `isEngineUnreachable`
   */
  ensureImage(
    request: ImageRequest,
    signal: AbortSignal,
  ): Promise<{ imageId: string; pulled: boolean }>;
}

/** Resource usage of containers on an engine. */
export interface StatsRuntime {
  /** Returns the resource usage of each running container of this device. */
  readStats(): Promise<ContainerStats[]>;
  /**
   * Returns what each container of this device takes on the engine's disk, beside its image. It
   * costs a walk through all files that the containers have written.
   */
  readDiskUsage(): Promise<ContainerDiskUsage[]>;
}

/** Space that one container takes on the engine's disk. */
export interface ContainerDiskUsage {
  podUid: string;
  /** Name of the container in the pod. */
  container: string;
  /** Its writable layer and its log. */
  usedBytes: number;
}

/**
 * Streams into one kind of target: containers, the host, or both. The promises of `io` are the
 * back-pressure. Errors are AranyaErrors.
 */
export interface StreamRuntime<Target = RuntimeTarget> {
  /**
   * Runs a command to its end. When the client leaves (`io.signal`), a command on the host gets
   * SIGHUP for its process group; a command in a container continues without its client, unless
   * it has a terminal: then it gets SIGHUP too, or `killWhenLeft` is set.
   */
  exec(
    request: RuntimeExecRequest<Target>,
    io: ExecIo,
  ): Promise<ExitStatus>;
  /**
   * Attaches to the running first process; resolves when the container exits or the client leaves.
   */
  attach(
    request: RuntimeAttachRequest<Target>,
    io: ExecIo,
  ): Promise<ExitStatus>;
  /** Yields the log's bytes. With `follow` it ends when the container exits or with the signal. */
  logs(
    request: RuntimeLogsRequest<Target>,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array>;
  /**
   * Relays one TCP connection to a port in the pod's network namespace, or of the host, until both
   * directions have ended.
   * @throws {AranyaError} code "unavailable" when nothing listens on the port
   */
  connectPort(
    request: { target: Target; port: number },
    io: ConnectionIo,
  ): Promise<void>;
}

/** A container of a pod on the engine. */
export interface ContainerRef {
  kind: "container";
  containerId: string;
  podUid: string;
}

/** The device's host. */
export interface HostRef {
  kind: "host";
}

/** All that the agent uses of a container engine. */
export type ContainerRuntime =
  & PodRuntime
  & ImageRuntime
  & StatsRuntime
  & StreamRuntime<ContainerRef>;

/** Target of a stream. */
export type RuntimeTarget = ContainerRef | HostRef;

/** A command to run in a container, or on the host. */
export interface RuntimeExecRequest<Target = RuntimeTarget>
  extends ExecRequest<Target> {
  /**
   * Whether a command in a container is killed with its process group when the client leaves, as
   * for a probe that takes too long. @default false
   */
  killWhenLeft?: boolean;
}

/** An attachment to the first process of a container, or to a shell on the host. */
export interface RuntimeAttachRequest<Target = RuntimeTarget>
  extends AttachRequest<Target> {
  /** Whether the container's stdin is closed at the client's EOF. */
  stdinOnce: boolean;
}

/** The part of a log to read, with "previous" and "sinceSeconds" resolved. */
export interface RuntimeLogsRequest<Target = RuntimeTarget> extends LogOptions {
  target: Target;
}

/** An infra container to run. */
export interface SandboxRequest {
  podUid: string;
  namespace: string;
  name: string;
  hostname: string;
  hostNetwork: boolean;
  hostPid: boolean;
  hostIpc: boolean;
  shareProcessNamespace: boolean;
  /** Range of the pod network, e.g. "10.200.7.0/26"; empty lets the engine choose. */
  podCidr: string;
  dns: Dns | undefined;
  hostAliases: HostAlias[];
  sysctls: Sysctl[];
}

/** A running infra container. */
export interface Sandbox {
  /** Empty with hostNetwork. */
  podIps: string[];
}

/** A container to start. */
export interface ContainerRequest {
  podUid: string;
  namespace: string;
  podName: string;
  kind: "init" | "app";
  /**
   * The container's spec. Its `env`, `command`, `args` and mounts are replaced by the fields below.
   */
  container: Container;
  imageId: string;
  /** Number of this instance, from 0: the container's restart count. */
  attempt: number;
  /** With references and variables resolved. */
  env: { name: string; value: string }[];
  /** With variables expanded. */
  command: string[];
  /** With variables expanded. */
  args: string[];
  binds: {
    source: string;
    target: string;
    readOnly: boolean;
    propagation: string;
  }[];
  supplementalGroups: number[];
  hostNetwork: boolean;
  hostPid: boolean;
  hostIpc: boolean;
  shareProcessNamespace: boolean;
  /** Stored on the engine and returned by `listPods`. */
  labels: Record<string, string>;
}

/** An image that a container needs. */
export interface ImageRequest {
  image: string;
  policy: "always" | "if_not_present" | "never";
  credentials: RegistryCredential[];
}

/** One pod on the engine. */
export interface RuntimePod {
  uid: string;
  namespace: string;
  name: string;
  /** Undefined when the pod has no infra container. */
  sandbox: { id: string; running: boolean; podIps: string[] } | undefined;
  /** All instances, running or not; of the same name the newest attempt first. */
  containers: RuntimeContainer[];
}

/** One container on the engine. */
export interface RuntimeContainer {
  id: string;
  name: string;
  kind: "init" | "app";
  attempt: number;
  /** As the pod names it. */
  image: string;
  imageId: string;
  state: "created" | "running" | "exited";
  /** 0 before the start. */
  startedUnixMs: number;
  /** 0 before the end. */
  finishedUnixMs: number;
  exitCode: number;
  oomKilled: boolean;
  /** The engine's own error, e.g. that the command was not found; empty without one. */
  error: string;
  /** Those of the request. */
  labels: Record<string, string>;
}

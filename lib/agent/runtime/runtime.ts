// SPDX-License-Identifier: Apache-2.0
/** What the pods and commands rooms need of a container engine and of the host; `docker` and `host` implement it here. */
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

/** Containers of pods on one engine. All calls may be repeated: each makes sure of a state. Errors are AranyaErrors. */
export interface PodRuntime {
  /** Makes sure that the pod's infra container runs (network namespace, addresses) and gives its addresses. Creates the pod network when absent. */
  ensureSandbox(request: SandboxRequest, signal: AbortSignal): Promise<Sandbox>;
  /** Removes the pod's infra container and every container of it that is left. They must be dead or are killed. */
  removeSandbox(podUid: string): Promise<void>;
  /** Creates and starts one new container and gives its id. @throws "not_found" command or image missing, "invalid" bad configuration; a container that was created but could not be started is left for listPods to show as exited 128 with reason StartError (ContainerCannotRun) */
  startContainer(
    request: ContainerRequest,
    signal: AbortSignal,
  ): Promise<string>;
  /** SIGTERM (or the image's stop signal), then SIGKILL after the grace; resolves when it is dead. A second call with a smaller grace shortens the first. */
  stopContainer(
    id: string,
    options: { graceMs: number; signal: AbortSignal },
  ): Promise<void>;
  /** Removes a dead container with its log. */
  removeContainer(id: string): Promise<void>;
  /** Everything of ours on the engine, from labels alone: it works after a restart of the agent. */
  listPods(): Promise<RuntimePod[]>;
  /** UIDs of pods in which something happened (start, die, oom), and "" when the engine connection was lost and all must be looked at. Ends with the signal. */
  watchPods(signal: AbortSignal): AsyncIterable<string>;
}

/** Images on the engine. */
export interface ImageRuntime {
  /** Pulls when the policy asks for it. @throws "not_found" absent and never pulled or unknown to the registry, "unauthorized", "unavailable" */
  ensureImage(
    request: ImageRequest,
    signal: AbortSignal,
  ): Promise<{ imageId: string; pulled: boolean }>;
  /** Figures per container that runs. */
  stats(): Promise<ContainerStats[]>;
}

/**
 * Streams into one kind of target: containers, the host, or both. The promises of `io` are the back-pressure; errors are
 * AranyaErrors.
 */
export interface StreamRuntime<Target = RuntimeTarget> {
  /**
   * Runs a command to its end. When the client leaves (`io.signal`), a command on the host gets SIGHUP for its process
   * group; a command in a container continues without its client.
   */
  exec(
    request: ExecRequest<Target>,
    io: ExecIo,
  ): Promise<ExitStatus>;
  /** Attaches to the running first process; resolves when the container or the client ends. */
  attach(
    request: RuntimeAttachRequest<Target>,
    io: ExecIo,
  ): Promise<ExitStatus>;
  /** Reads a log, cut to the options. With `follow` it ends when the container ends or the signal is aborted. */
  logs(
    request: RuntimeLogsRequest<Target>,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array>;
  /**
   * Carries one TCP connection to a port in the pod's network namespace, or of the host, until both directions have ended.
   * @throws {AranyaError} code "unavailable" when nothing listens there
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

/** Everything that the agent needs of a container engine. */
export type ContainerRuntime =
  & PodRuntime
  & ImageRuntime
  & StreamRuntime<ContainerRef>;

/** Where a stream leads. */
export type RuntimeTarget = ContainerRef | HostRef;

/** An attachment to the first process of a container or to a shell on the host. */
export interface RuntimeAttachRequest<Target = RuntimeTarget>
  extends AttachRequest<Target> {
  /** Close the container's stdin at the client's EOF. */
  stdinOnce: boolean;
}

/** The part of a log to read; "previous" and "sinceSeconds" have been resolved on the device. */
export interface RuntimeLogsRequest<Target = RuntimeTarget> extends LogOptions {
  target: Target;
}

/** What a pod's infra container needs. */
export interface SandboxRequest {
  podUid: string;
  namespace: string;
  name: string;
  hostname: string;
  hostNetwork: boolean;
  hostPid: boolean;
  hostIpc: boolean;
  shareProcessNamespace: boolean;
  /** Range of the Docker network for pods, e.g. 10.200.7.0/26; empty: Docker's choice. */
  podCidr: string;
  dns: Dns | undefined;
  hostAliases: HostAlias[];
  sysctls: Sysctl[];
}

/** A pod's namespaces, once they are there. */
export interface Sandbox {
  /** Empty for hostNetwork. */
  podIps: string[];
}

/** One container to start. */
export interface ContainerRequest {
  podUid: string;
  namespace: string;
  podName: string;
  kind: "init" | "app";
  /** Name, command, args, working dir, resources, security, tty, stdin, … of it; `env` and `mounts` in it are ignored for those below. */
  container: Container;
  imageId: string;
  /** restartCount of this one, from 0; kept as a label. */
  attempt: number;
  /** Expanded. */
  env: { name: string; value: string }[];
  /** Expanded. */
  command: string[];
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
  /** Kept as labels, given back by listPods. */
  labels: Record<string, string>;
}

/** An image to have. */
export interface ImageRequest {
  image: string;
  policy: "always" | "if_not_present" | "never";
  credentials: RegistryCredential[];
}

/** What the engine holds of one pod. */
export interface RuntimePod {
  uid: string;
  namespace: string;
  name: string;
  sandbox: { id: string; running: boolean; podIps: string[] } | undefined;
  /** All, living and dead, newest attempt first within a name. */
  containers: RuntimeContainer[];
}

/** One container on the engine. */
export interface RuntimeContainer {
  id: string;
  name: string;
  kind: "init" | "app";
  attempt: number;
  image: string;
  imageId: string;
  state: "created" | "running" | "exited";
  startedUnixMs: number;
  finishedUnixMs: number;
  exitCode: number;
  oomKilled: boolean;
  /** The engine's own error, e.g. that the command was not found. */
  error: string;
  labels: Record<string, string>;
}

/** Pod and host figures that the agent reports about the device; see the .proto message Facts. */
export type { Facts } from "../../shared/wire/mod.ts";

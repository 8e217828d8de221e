// SPDX-License-Identifier: Apache-2.0
/** Streams into containers on a Docker engine: exec, attach, logs, ports. */
import {
  AranyaError,
  type Clock,
  EMPTY_STREAM,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  CLIENT_LEFT,
  type ConnectionIo,
  type ExecIo,
  type ExitStatus,
} from "../../shared/exec/mod.ts";
import {
  attachContainer,
  type ContainerInspect,
  createExec,
  type DockerClient,
  inspectContainer,
  inspectExec,
  resizeContainer,
  resizeExec,
  startExec,
} from "../docker/mod.ts";
import { type HostMachine, LocalMachine, PortDialError } from "../host/mod.ts";
import { AttachedProcess } from "./attached_process.ts";
import { readDockerLog } from "./docker_log.ts";
import { RELAY_PATH } from "./infra_image.ts";
import { formatSandboxName } from "./labels.ts";
import type {
  ContainerRef,
  RuntimeAttachRequest,
  RuntimeExecRequest,
  RuntimeLogsRequest,
  StreamRuntime,
} from "./runtime.ts";

const EXIT_POLL_INTERVAL_MS = 20;
/** For a command that has closed its output and continues. */
const MAX_EXIT_POLL_INTERVAL_MS = 1_000;
/** A pod on this machine accepts or refuses a connection at once. */
const POD_DIAL_TIMEOUT_MS = 1_000;
/** ECONNREFUSED on Linux. */
const CONNECTION_REFUSED = 111;

/**
 * Sends signal $3 to process $1, or group when it is negative, when its cgroup names container $2.
 */
const SIGNAL_SCRIPT =
  'grep -q "$2" "/proc/${1#-}/cgroup" 2>/dev/null && kill -s "$3" -- "$1"';

/** Options of {@linkcode DockerStreams}. */
export interface DockerStreamsOptions {
  client: DockerClient;
  /** The machine that the containers run on. @default this one */
  machine?: HostMachine;
  clock?: Clock;
}

/** Streams into containers of one engine. Nothing is dialed before the first call. */
export class DockerStreams implements StreamRuntime<ContainerRef> {
  readonly #client: DockerClient;
  readonly #machine: HostMachine;
  readonly #clock: Clock;

  constructor(options: DockerStreamsOptions) {
    this.#client = options.client;
    this.#machine = options.machine ?? new LocalMachine();
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  async exec(
    request: RuntimeExecRequest<ContainerRef>,
    io: ExecIo,
  ): Promise<ExitStatus> {
    const { target: { containerId }, tty, killWhenLeft = false } = request;
    const { signal } = io;
    const id = await createExec(this.#client, {
      ...request,
      containerId,
      signal,
    });
    try {
      const socket = await startExec(this.#client, { id, tty, signal });
      const outcome = await new AttachedProcess({
        socket,
        tty,
        io,
        resize: (size) => resizeExec(this.#client, { id, ...size }),
        halfClose: !tty,
        clock: this.#clock,
      }).run();
      if (outcome === "output-ended") {
        return await this.#readExitStatus(id, signal);
      }
      // The engine keeps the terminal of a client that left open.
      if (tty) await this.#signal({ id, containerId, signalName: "HUP" });
      return CLIENT_LEFT;
    } finally {
      if (killWhenLeft && signal.aborted) {
        await this.#signal({ id, containerId, signalName: "KILL" });
      }
    }
  }

  async attach(
    request: RuntimeAttachRequest<ContainerRef>,
    io: ExecIo,
  ): Promise<ExitStatus> {
    const { containerId: id } = request.target;
    const { State, Config } = await inspectContainer(this.#client, id);
    if (!State.Running) {
      throw new AranyaError(
        "conflict",
        `Cannot attach to container: it is ${State.Status}, expected running`,
      );
    }
    const socket = await attachContainer(this.#client, {
      ...request,
      id,
      stdin: request.stdin && Config.OpenStdin,
      signal: io.signal,
    });
    const outcome = await new AttachedProcess({
      socket,
      tty: Config.Tty,
      io,
      resize: (size) => resizeContainer(this.#client, { id, ...size }),
      // The engine ends the whole attachment at a half-close, unless the container has StdinOnce.
      halfClose: request.stdinOnce && !Config.Tty,
      clock: this.#clock,
    }).run();
    return outcome === "client-left" ? CLIENT_LEFT : { code: 0 };
  }

  logs(
    request: RuntimeLogsRequest<ContainerRef>,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    return readDockerLog(this.#client, { ...request, signal });
  }

  /**
   * Connects to the pod's address directly. When that fails, e.g. because the port is open on the
   * pod's loopback only, the relay program in the infra container connects, which shares the pod's
   * network namespace on any engine.
   */
  async connectPort(
    request: { target: ContainerRef; port: number },
    io: ConnectionIo,
  ): Promise<void> {
    const { target: { podUid }, port } = request;
    const action = `Cannot forward to port ${port} of the pod`;
    const sandbox = await inspectContainer(
      this.#client,
      formatSandboxName(podUid),
    );
    if (!sandbox.State.Running) {
      throw new AranyaError("unavailable", `${action}: it is not running`);
    }
    try {
      return await this.#machine.connectPort({
        port,
        action,
        addresses: this.#findLocalAddresses(sandbox),
        timeoutMs: POD_DIAL_TIMEOUT_MS,
      }, io);
    } catch (error) {
      if (!(error instanceof PortDialError)) throw error;
    }
    await this.#relayPort({ containerId: sandbox.Id, port, action }, io);
  }

  /**
   * Returns those addresses of the pod that are behind a network interface of this machine. The
   * engine may run on another machine or in another network namespace; there, the same address
   * could belong to something else.
   */
  #findLocalAddresses(
    { HostConfig, NetworkSettings }: ContainerInspect,
  ): string[] {
    if (HostConfig.NetworkMode === "host") {
      return this.#client.host.startsWith("unix:") ? ["127.0.0.1", "::1"] : [];
    }
    return Object.values(NetworkSettings.Networks ?? {})
      .filter(({ IPAddress, Gateway }) =>
        IPAddress !== "" && this.#machine.hasAddress(Gateway)
      )
      .map(({ IPAddress }) => IPAddress);
  }

  /** Runs the relay program, whose stdin and stdout are the connection. */
  async #relayPort(
    target: { containerId: string; port: number; action: string },
    io: ConnectionIo,
  ): Promise<void> {
    const { containerId, port, action } = target;
    const { signal } = io;
    const id = await createExec(this.#client, {
      containerId,
      command: [RELAY_PATH, String(port)],
      stdin: true,
      stdout: true,
      stderr: false,
      tty: false,
      signal,
    });
    const socket = await startExec(this.#client, { id, tty: false, signal });
    const outcome = await new AttachedProcess({
      socket,
      tty: false,
      io: {
        stdin: io.input,
        stdout: (chunk) => io.output(chunk),
        stderr: () => Promise.resolve(),
        resizes: EMPTY_STREAM,
        signal,
      },
      resize: () => Promise.resolve(),
      halfClose: true,
      clock: this.#clock,
    }).run();
    if (outcome === "client-left") return;
    const { code } = await this.#readExitStatus(id, signal);
    if (code !== 0) {
      const state = code === CONNECTION_REFUSED
        ? `nothing listens on port ${port}`
        : `the relay program exited with code ${code}`;
      throw new AranyaError("unavailable", `${action}: ${state}`);
    }
    await io.endOutput();
  }

  /**
   * Polls for the exit code: the engine records it a moment after the end of the output. As with a
   * kubelet on containerd, a command that has closed its output is waited for.
   * @param signal aborted when the client leaves
   */
  async #readExitStatus(id: string, signal: AbortSignal): Promise<ExitStatus> {
    let intervalMs = EXIT_POLL_INTERVAL_MS;
    while (!signal.aborted) {
      const state = await inspectExec(this.#client, id);
      if (!state.Running && state.ExitCode !== null) {
        return { code: state.ExitCode };
      }
      await this.#clock.sleep(intervalMs, { signal }).catch(() => {});
      intervalMs = Math.min(2 * intervalMs, MAX_EXIT_POLL_INTERVAL_MS);
    }
    return CLIENT_LEFT;
  }

  /**
   * Sends a signal to a command: SIGKILL to its process group, which it leads (runc calls setsid).
   * The engine has no call for that. Checks first that the process belongs to the container: the
   * engine may run on another machine, where process ids differ.
   */
  async #signal(
    { id, containerId, signalName }: {
      id: string;
      containerId: string;
      signalName: "HUP" | "KILL";
    },
  ): Promise<void> {
    const state = await inspectExec(this.#client, id).catch(() => undefined);
    if (!state?.Running || state.Pid <= 1) return;
    const target = signalName === "KILL" ? -state.Pid : state.Pid;
    await this.#machine.run("sh", {
      args: [
        "-c",
        SIGNAL_SCRIPT,
        "sh",
        String(target),
        containerId,
        signalName,
      ],
    }).catch(() => {});
  }
}

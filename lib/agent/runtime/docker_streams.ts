// SPDX-License-Identifier: Apache-2.0
/** Streams of a pod's containers on a Docker engine: exec, attach, logs, ports. */
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
  type ExecRequest,
  type ExitStatus,
  type TerminalSize,
} from "../../shared/exec/mod.ts";
import {
  attachContainer,
  type ContainerInspect,
  createExec,
  demux,
  type DockerClient,
  type DockerSocket,
  type ExecState,
  inspectContainer,
  inspectExec,
  type OutputPiece,
  readContainerLog,
  resizeContainer,
  resizeExec,
  startExec,
} from "../docker/mod.ts";
import { type HostMachine, LocalMachine, PortDialError } from "../host/mod.ts";
import { RELAY_PATH } from "./infra_image.ts";
import { sandboxName } from "./labels.ts";
import type {
  ContainerRef,
  RuntimeAttachRequest,
  RuntimeLogsRequest,
  StreamRuntime,
} from "./runtime.ts";

/** A process of a container, with its client. */
interface AttachedProcess {
  socket: DockerSocket;
  tty: boolean;
  io: ExecIo;
  resize: (size: TerminalSize) => Promise<void>;
  /** Whether the process's stdin is closed at the client's EOF. */
  halfClose: boolean;
}

const EXIT_POLL_MS = 20;
const EXIT_POLLS = 250;
const RESIZE_RETRY_MS = 50;
const RESIZE_TRIES = 20;
/** A pod on this machine answers or refuses at once. */
const POD_DIAL_TIMEOUT_MS = 1_000;
/** ECONNREFUSED on Linux. */
const CONNECTION_REFUSED = 111;

/** Options of {@linkcode DockerStreams}. */
export interface DockerStreamsOptions {
  client: DockerClient;
  /** The machine that the containers run on. @default this one */
  machine?: HostMachine;
  clock?: Clock;
}

/** Streams into containers of a Docker engine. Nothing is dialed before the first call. */
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
    request: ExecRequest<ContainerRef>,
    io: ExecIo,
  ): Promise<ExitStatus> {
    const { target: { containerId }, tty } = request;
    const { signal } = io;
    const id = await createExec(this.#client, {
      ...request,
      containerId,
      signal,
    });
    const socket = await startExec(this.#client, { id, tty, signal });
    const ended = await carryProcess({
      socket,
      tty,
      io,
      resize: (size) => resizeExec(this.#client, { id, ...size }),
      halfClose: !tty,
    }, this.#clock);
    if (ended === "left") {
      if (tty) await this.#hangUp({ id, containerId });
      return CLIENT_LEFT;
    }
    return await this.#readExitStatus(id);
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
    const ended = await carryProcess({
      socket,
      tty: Config.Tty,
      io,
      resize: (size) => resizeContainer(this.#client, { id, ...size }),
      // At a half-close the engine ends the whole attachment, unless the container was created with StdinOnce.
      halfClose: request.stdinOnce && !Config.Tty,
    }, this.#clock);
    return ended === "left" ? CLIENT_LEFT : { code: 0 };
  }

  logs(
    request: RuntimeLogsRequest<ContainerRef>,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    return readLog(this.#client, { ...request, signal });
  }

  /**
   * Connects to the pod's address directly; a port on the pod's loopback is reached by the relay program in the infra
   * container, which shares the pod's network namespace on any engine.
   */
  async connectPort(
    request: { target: ContainerRef; port: number },
    io: ConnectionIo,
  ): Promise<void> {
    const { target: { podUid }, port } = request;
    const action = `Cannot forward to port ${port} of the pod`;
    const sandbox = await inspectContainer(this.#client, sandboxName(podUid));
    if (!sandbox.State.Running) {
      throw new AranyaError("unavailable", `${action}: it does not run`);
    }
    try {
      return await this.#machine.connectPort({
        port,
        action,
        addresses: this.#localAddressesOf(sandbox),
        timeoutMs: POD_DIAL_TIMEOUT_MS,
      }, io);
    } catch (error) {
      if (!(error instanceof PortDialError)) throw error;
    }
    await this.#relay({ containerId: sandbox.Id, port, action }, io);
  }

  /**
   * Addresses of the pod that this machine's own links lead to. The engine may run elsewhere (TCP, another network
   * namespace); there the pod's address could belong to a different machine.
   */
  #localAddressesOf(
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

  async #relay(
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
    const ended = await carryProcess({
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
    }, this.#clock);
    if (ended === "left") return;
    const { code } = await this.#readExitStatus(id);
    if (code !== 0) {
      throw new AranyaError(
        "unavailable",
        `${action}: ${
          code === CONNECTION_REFUSED
            ? `nothing listens on port ${port}`
            : `its relay ended with code ${code}`
        }`,
      );
    }
    await io.endOutput();
  }

  /** Polls for the exit code: the engine records it a moment after the end of the output. */
  async #readExitStatus(id: string): Promise<ExitStatus> {
    for (let polls = 0; polls < EXIT_POLLS; polls++) {
      const state = await inspectExec(this.#client, id);
      if (!state.Running && state.ExitCode !== null) {
        return { code: state.ExitCode };
      }
      await this.#clock.sleep(EXIT_POLL_MS);
    }
    return {
      code: 1,
      reason: "Unknown",
      message: "the command closed its output and runs on",
    };
  }

  /**
   * Sends SIGHUP to a command whose client left: the engine keeps the terminal open. Checks by its cgroup that the process
   * id belongs to this container, since the engine may run on another machine.
   */
  async #hangUp(
    { id, containerId }: { id: string; containerId: string },
  ): Promise<void> {
    const state: ExecState | undefined = await inspectExec(this.#client, id)
      .catch(() => undefined);
    if (!state?.Running || state.Pid <= 1) return;
    await this.#machine.run("sh", {
      args: [
        "-c",
        'grep -q "$2" "/proc/$1/cgroup" 2>/dev/null && kill -HUP "$1"',
        "sh",
        String(state.Pid),
        containerId,
      ],
    }).catch(() => {});
  }
}

/** Moves bytes until the process's output ends ("done") or the client leaves ("left"). */
async function carryProcess(
  attached: AttachedProcess,
  clock: Clock,
): Promise<"done" | "left"> {
  const { socket, io } = attached;
  const ended = new AbortController();
  feedInput(attached, ended.signal);
  applyResizes(attached, { ended: ended.signal, clock });
  try {
    const pieces = attached.tty
      ? asStdout(socket.output)
      : demux(socket.output);
    for await (const { stream, bytes } of pieces) {
      const write = stream === "stdout" ? io.stdout : io.stderr;
      try {
        await write.call(io, bytes);
      } catch {
        // The client takes no more: that is how leaving looks from here.
        return "left";
      }
    }
    return "done";
  } catch (error) {
    if (io.signal.aborted) return "left";
    throw error;
  } finally {
    ended.abort();
    socket.close();
  }
}

async function* asStdout(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<OutputPiece> {
  for await (const bytes of chunks) yield { stream: "stdout", bytes };
}

function feedInput(
  { socket, io, halfClose }: AttachedProcess,
  ended: AbortSignal,
): void {
  const run = async () => {
    for await (const chunk of io.stdin) {
      if (ended.aborted) return;
      await socket.write(chunk);
    }
    if (halfClose && !ended.aborted) await socket.endInput();
  };
  // A process that reads no more, or a client that breaks off: both are seen by the output's reader.
  run().catch(() => {});
}

/** Applies terminal sizes as they come; of many that wait only the last. */
function applyResizes(
  { io, resize, tty }: AttachedProcess,
  { ended, clock }: { ended: AbortSignal; clock: Clock },
): void {
  if (!tty) return;
  let wanted: TerminalSize | undefined;
  let applying = false;
  const apply = async () => {
    if (applying) return;
    applying = true;
    try {
      while (wanted && !ended.aborted) {
        const size = wanted;
        wanted = undefined;
        await applySize(size);
      }
    } finally {
      applying = false;
    }
  };
  const applySize = async (size: TerminalSize) => {
    for (let tries = 1; !ended.aborted && !wanted; tries++) {
      try {
        return await resize(size);
      } catch (error) {
        // The process may not have begun; and one that has ended needs no size.
        if (tries >= RESIZE_TRIES) throw error;
      }
      await clock.sleep(RESIZE_RETRY_MS, { signal: ended });
    }
  };
  const run = async () => {
    for await (const size of io.resizes) {
      if (ended.aborted) return;
      if (size.width < 1 || size.height < 1) continue;
      wanted = size;
      apply().catch(() => {});
    }
  };
  run().catch(() => {});
}

/** Reads a container's log: both outputs, in the order in which the engine recorded them. */
async function* readLog(
  client: DockerClient,
  request: RuntimeLogsRequest<ContainerRef> & { signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const { target: { containerId: id }, limitBytes, signal } = request;
  if (limitBytes !== undefined && limitBytes <= 0) return;
  const { Config } = await inspectContainer(client, id);
  const raw = await readContainerLog(client, {
    id,
    follow: request.follow,
    timestamps: request.timestamps,
    tailLines: request.tailLines,
    since: request.sinceTime === undefined
      ? undefined
      : toDockerTime(request.sinceTime),
    signal,
  });
  let left = limitBytes ?? Infinity;
  for await (const bytes of Config.Tty ? raw : payloads(raw)) {
    // Cut in the middle of a line is right: limitBytes says bytes.
    yield bytes.length > left ? bytes.subarray(0, left) : bytes;
    left -= bytes.length;
    if (left <= 0) return;
  }
}

async function* payloads(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of demux(chunks)) yield bytes;
}

/** RFC 3339 as the engine wants it: seconds since 1970, with all digits of the fraction. */
export function toDockerTime(text: string): string {
  const seconds = Math.floor(Date.parse(text) / 1_000);
  const fraction = text.match(/:\d\d\.(\d{1,9})/)?.[1] ?? "0";
  return `${seconds}.${fraction.padEnd(9, "0")}`;
}

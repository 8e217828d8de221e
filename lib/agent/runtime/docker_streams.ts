// SPDX-License-Identifier: Apache-2.0
/** Streams of a pod's containers on a Docker engine: exec, attach, logs, ports. */
import {
  AranyaError,
  type Clock,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  attachContainer,
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
import { type HostMachine, PortDialError, type PortIo } from "../host/mod.ts";
import { RELAY_PATH } from "./infra_image.ts";
import { sandboxName } from "./labels.ts";
import type {
  AttachRequest,
  ExecRequest,
  ExitResult,
  LogsRequest,
  StreamIo,
} from "./runtime.ts";

type Size = { width: number; height: number };
/** An exec or attachment that is followed. */
interface Joined {
  socket: DockerSocket;
  tty: boolean;
  io: StreamIo;
  resize: (size: Size) => Promise<void>;
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
const CLIENT_LEFT: ExitResult = {
  code: 129,
  reason: "ClientLeft",
  message: "the client left",
};

/** What both need. */
export interface DockerStreamsOptions {
  client: DockerClient;
  machine: HostMachine;
  clock?: Clock;
}

/** See StreamRuntime.exec; the target is a container. When the client leaves, the process goes on, but one with a terminal gets SIGHUP. */
export async function execInContainer(
  options: DockerStreamsOptions,
  request: ExecRequest & { containerId: string },
  io: StreamIo,
): Promise<ExitResult> {
  const { client, clock = SYSTEM_CLOCK } = options;
  const { containerId, tty } = request;
  const { signal } = io;
  const id = await createExec(client, { ...request, signal });
  const socket = await startExec(client, { id, tty, signal });
  const ended = await join({
    socket,
    tty,
    io,
    resize: (size) => resizeExec(client, { id, ...size }),
    halfClose: !tty,
  }, clock);
  if (ended === "left") {
    if (tty) await hangUp(options, { id, containerId });
    return CLIENT_LEFT;
  }
  return await exitOf(client, { id, clock });
}

/** See StreamRuntime.attach; the target is a container. */
export async function attachToContainer(
  options: DockerStreamsOptions,
  request: AttachRequest & { containerId: string },
  io: StreamIo,
): Promise<ExitResult> {
  const { client, clock = SYSTEM_CLOCK } = options;
  const { containerId: id } = request;
  const { State, Config } = await inspectContainer(client, id);
  if (!State.Running) {
    throw new AranyaError(
      "conflict",
      `Cannot attach to container: it is ${State.Status}, expected running`,
    );
  }
  const socket = await attachContainer(client, {
    ...request,
    id,
    stdin: request.stdin && Config.OpenStdin,
    signal: io.signal,
  });
  const ended = await join({
    socket,
    tty: Config.Tty,
    io,
    resize: (size) => resizeContainer(client, { id, ...size }),
    // The engine ends the whole attachment at a half-close, unless stdin was made to be closed once.
    halfClose: request.stdinOnce && !Config.Tty,
  }, clock);
  return ended === "left" ? CLIENT_LEFT : { code: 0 };
}

/** Moves bytes until the process's output ends ("done") or the client leaves ("left"). */
async function join(joined: Joined, clock: Clock): Promise<"done" | "left"> {
  const { socket, io } = joined;
  const ended = new AbortController();
  feed(joined, ended.signal);
  follow(joined, { ended: ended.signal, clock });
  try {
    const pieces = joined.tty ? asStdout(socket.output) : demux(socket.output);
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

function feed({ socket, io, halfClose }: Joined, ended: AbortSignal): void {
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
function follow(
  { io, resize, tty }: Joined,
  { ended, clock }: { ended: AbortSignal; clock: Clock },
): void {
  if (!tty) return;
  let wanted: Size | undefined;
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
  const applySize = async (size: Size) => {
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

/** The engine says a moment after the end of output how the command ended. */
async function exitOf(
  client: DockerClient,
  { id, clock }: { id: string; clock: Clock },
): Promise<ExitResult> {
  for (let polls = 0; polls < EXIT_POLLS; polls++) {
    const state = await inspectExec(client, id);
    if (!state.Running && state.ExitCode !== null) {
      return { code: state.ExitCode };
    }
    await clock.sleep(EXIT_POLL_MS);
  }
  return {
    code: 1,
    reason: "Unknown",
    message: "the command closed its output and runs on",
  };
}

/** The engine keeps a terminal open when its client has left. The process's number is checked, for the engine may live elsewhere. */
async function hangUp(
  { client, machine }: DockerStreamsOptions,
  { id, containerId }: { id: string; containerId: string },
): Promise<void> {
  const state: ExecState | undefined = await inspectExec(client, id).catch(
    () => undefined,
  );
  if (!state?.Running || state.Pid <= 1) return;
  await machine.run("sh", {
    args: [
      "-c",
      'grep -q "$2" "/proc/$1/cgroup" 2>/dev/null && kill -HUP "$1"',
      "sh",
      String(state.Pid),
      containerId,
    ],
  }).catch(() => {});
}

/**
 * See StreamRuntime.connectPort; the target is a pod. A service on the pod's address is reached straight, one on the pod's
 * loopback by the relay program in the infra container, which is in the pod's network whatever else is on the device.
 */
export async function connectToPod(
  options: DockerStreamsOptions,
  request: { podUid: string; port: number },
  io: PortIo,
): Promise<void> {
  const { client, machine } = options;
  const { podUid, port } = request;
  const action = `Cannot forward to port ${port} of the pod`;
  const { Id, State, HostConfig, NetworkSettings } = await inspectContainer(
    client,
    sandboxName(podUid),
  );
  if (!State.Running) {
    throw new AranyaError("unavailable", `${action}: it does not run`);
  }
  // The engine may be elsewhere (TCP, another network namespace): then the pod's address would lead to somebody else's machine.
  const addresses = HostConfig.NetworkMode === "host"
    ? client.host.startsWith("unix:") ? ["127.0.0.1", "::1"] : []
    : Object.values(NetworkSettings.Networks ?? {})
      .filter((end) => end.IPAddress !== "" && machine.hasAddress(end.Gateway))
      .map((end) => end.IPAddress);
  try {
    return await machine.connectPort({
      port,
      action,
      addresses,
      timeoutMs: POD_DIAL_TIMEOUT_MS,
    }, io);
  } catch (error) {
    if (!(error instanceof PortDialError)) throw error;
  }
  await relayToPod(options, { containerId: Id, port, action }, io);
}

async function* noSizes(): AsyncGenerator<Size> {}

async function relayToPod(
  { client, clock = SYSTEM_CLOCK }: DockerStreamsOptions,
  target: { containerId: string; port: number; action: string },
  io: PortIo,
): Promise<void> {
  const { containerId, port, action } = target;
  const { signal } = io;
  const id = await createExec(client, {
    containerId,
    command: [RELAY_PATH, String(port)],
    stdin: true,
    stdout: true,
    stderr: false,
    tty: false,
    signal,
  });
  const socket = await startExec(client, { id, tty: false, signal });
  const ended = await join({
    socket,
    tty: false,
    io: {
      stdin: io.input,
      stdout: (chunk) => io.output(chunk),
      stderr: () => Promise.resolve(),
      resizes: noSizes(),
      signal,
    },
    resize: () => Promise.resolve(),
    halfClose: true,
  }, clock);
  if (ended === "left") return;
  const { code } = await exitOf(client, { id, clock });
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

/** See StreamRuntime.logs; the target is a container. Both outputs in the order in which the engine kept them. */
export async function* readLogs(
  client: DockerClient,
  request: LogsRequest & { containerId: string },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { containerId: id, limitBytes } = request;
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

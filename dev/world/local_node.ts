// SPDX-License-Identifier: Apache-2.0
/**
 * Handlers for a kubelet server that run commands as processes of this machine, without a device.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { connect } from "node:net";
import type { Readable } from "node:stream";
import {
  abortable,
  AranyaError,
  onAbort,
  utf8,
} from "../../lib/shared/base/mod.ts";
import type {
  ExecIo,
  ExecRequest,
  ExitStatus,
  ForwardedPort,
  LogsRequest,
  PodTarget,
} from "../../lib/shared/exec/mod.ts";
import type {
  ForwardPort,
  KubeletHandlers,
  RunCommand,
  StatsSummary,
} from "../../lib/operator/kubelet/mod.ts";

/** Time of all statistics of {@linkcode LocalNode}. */
export const STATS_TIME = "2026-01-02T03:04:05.000Z";

/** A node with the pod "default/web" and its container "app". */
export class LocalNode implements KubeletHandlers {
  /** Calls that have begun and not ended, by kind. */
  readonly running = { commands: 0, logs: 0, ports: 0 };
  /** Terminal sizes received so far, as "columns x rows". */
  readonly sizes: string[] = [];
  /** Error of every call with a target, when set. */
  refusal: AranyaError | undefined;
  /** A followed log ends with one more line when this promise resolves. */
  tick: Promise<void> = Promise.resolve();

  async exec(
    { target, command }: ExecRequest<PodTarget>,
  ): Promise<RunCommand> {
    await this.#checkTarget(target);
    return (io) => this.#run(command, io);
  }

  async attach({ target }: { target: PodTarget }): Promise<RunCommand> {
    await this.#checkTarget(target);
    return (io) => this.#run(["cat"], io);
  }

  async logs(
    request: LogsRequest<PodTarget>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    await this.#checkTarget(request.target);
    return this.#readLog(request, signal);
  }

  async portForward(target: PodTarget): Promise<ForwardPort> {
    await this.#checkTarget(target);
    return async (connection) => {
      this.running.ports++;
      try {
        await forward(connection);
      } finally {
        this.running.ports--;
      }
    };
  }

  pods({ running }: { running: boolean }): Promise<unknown> {
    return Promise.resolve({
      kind: "PodList",
      apiVersion: "v1",
      items: [running],
    });
  }

  stats(): Promise<StatsSummary> {
    return Promise.resolve(SUMMARY);
  }

  async #checkTarget(target: PodTarget): Promise<void> {
    // As with a device, the result never comes in the same turn of the event loop.
    await Promise.resolve();
    if (this.refusal) throw this.refusal;
    if (target.pod === "web" && ["app", ""].includes(target.container)) return;
    throw new AranyaError(
      "not_found",
      `Cannot find container "${target.container}" of pod "${target.namespace}/${target.pod}": there is none`,
    );
  }

  async #run(command: string[], io: ExecIo): Promise<ExitStatus> {
    this.running.commands++;
    try {
      void this.#recordSizes(io);
      return await runCommand(command, io);
    } finally {
      this.running.commands--;
    }
  }

  async #recordSizes({ resizes }: ExecIo): Promise<void> {
    for await (const { width, height } of resizes) {
      this.sizes.push(`${width}x${height}`);
    }
  }

  async *#readLog(
    request: LogsRequest<PodTarget>,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    this.running.logs++;
    try {
      for (let line = 1; line <= (request.tailLines ?? 3); line++) {
        yield utf8(`line ${line}\n`);
      }
      if (!request.follow) return;
      await abortable(this.tick, signal);
      yield utf8("last line\n");
    } finally {
      this.running.logs--;
    }
  }
}

async function runCommand(
  command: string[],
  io: ExecIo,
): Promise<ExitStatus> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { detached: true });
  const ended = new Promise<ExitStatus>((resolve) => {
    child.on("error", (error) => {
      resolve({ code: 127, reason: "StartError", message: error.message });
    });
    child.on("close", (code) => resolve({ code: code ?? 137 }));
  });
  using _listener = onAbort(io.signal, () => kill(child));
  void feed(child, io);
  const copy = async (
    from: Readable,
    to: (chunk: Uint8Array) => Promise<void>,
  ) => {
    try {
      for await (const chunk of from) await to(chunk);
    } catch {
      kill(child);
    }
  };
  await Promise.all([
    copy(child.stdout, io.stdout),
    copy(child.stderr, io.stderr),
  ]);
  return await ended;
}

/** Writes the client's input to the process; kills it when the client has failed. */
async function feed(
  child: ChildProcessWithoutNullStreams,
  { stdin }: ExecIo,
): Promise<void> {
  child.stdin.on("error", () => {});
  try {
    for await (const chunk of stdin) {
      if (!child.stdin.write(chunk)) {
        await new Promise((resolve) => child.stdin.once("drain", resolve));
      }
    }
    child.stdin.end();
  } catch {
    kill(child);
  }
}

function kill({ pid }: ChildProcessWithoutNullStreams): void {
  if (!pid) return;
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

async function forward(call: ForwardedPort): Promise<void> {
  const socket = connect({
    port: call.port,
    host: "127.0.0.1",
    allowHalfOpen: true,
  });
  const failed = new Promise<never>((_, reject) => socket.on("error", reject));
  failed.catch(() => {});
  try {
    const connected = new Promise((resolve) => socket.once("connect", resolve));
    await abortable(Promise.race([failed, connected]), call.signal);
    await abortable(
      Promise.race([failed, copyBoth(call, socket)]),
      call.signal,
    );
  } finally {
    socket.destroy();
  }
}

async function copyBoth(
  call: ForwardedPort,
  socket: ReturnType<typeof connect>,
): Promise<void> {
  const up = (async () => {
    for await (const chunk of call.input) {
      if (!socket.write(chunk)) {
        await new Promise((resolve) => socket.once("drain", resolve));
      }
    }
    socket.end();
  })();
  const down = (async () => {
    // A plain loop over the socket would destroy the other half at its end.
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      await call.output(chunk);
    }
    await call.endOutput();
  })();
  await Promise.all([up, down]);
}

const SUMMARY: StatsSummary = {
  node: {
    nodeName: "edge-1",
    startTime: "2026-01-01T00:00:00.000Z",
    cpu: { time: STATS_TIME, usageCoreNanoSeconds: 1_500_000_000 },
    memory: { time: STATS_TIME, workingSetBytes: 4096 },
  },
  pods: [{
    podRef: { name: "web", namespace: "default", uid: "u-1" },
    startTime: "2026-01-01T00:00:00.000Z",
    containers: [{
      name: "app",
      startTime: "2026-01-01T00:00:10.500Z",
      cpu: { time: STATS_TIME, usageCoreNanoSeconds: 250_000_000 },
      memory: { time: STATS_TIME, workingSetBytes: 1024 },
    }],
    cpu: { time: STATS_TIME, usageCoreNanoSeconds: 250_000_000 },
    memory: { time: STATS_TIME, workingSetBytes: 1024 },
  }],
};

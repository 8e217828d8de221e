// SPDX-License-Identifier: Apache-2.0
/** A node whose commands are processes of this machine: real handlers for the kubelet face without a device. */
import { spawn } from "node:child_process";
import { connect } from "node:net";
import type { Readable } from "node:stream";
import { AranyaError, utf8 } from "../../lib/shared/base/mod.ts";
import type {
  ExecIo,
  ExitStatus,
  ForwardedPort,
  LogsRequest,
  PodTarget,
} from "../../lib/shared/exec/mod.ts";
import type {
  KubeletHandlers,
  RunCommand,
  StatsSummary,
} from "../../lib/operator/kubelet/mod.ts";

/** What a test may look at and change. */
export interface LocalNode extends KubeletHandlers {
  /** Calls by kind that have begun and not ended. */
  readonly running: { commands: number; logs: number; ports: number };
  /** Terminal sizes that have come. */
  readonly sizes: string[];
  /** Set: every call with a target throws it. */
  refusal: AranyaError | undefined;
  /** Given by `logs` when it follows. */
  tick: Promise<void>;
}

/** Time at which all statistics were taken. */
export const STATS_TIME = "2026-01-02T03:04:05.000Z";

/** Makes handlers; the pod is "default/web", its container "app". */
export function createLocalNode(): LocalNode {
  const running = { commands: 0, logs: 0, ports: 0 };
  const node: LocalNode = {
    running,
    sizes: [],
    refusal: undefined,
    tick: Promise.resolve(),
    async exec({ target, command }) {
      await checkTarget(target, node);
      return counted(command, node);
    },
    async attach({ target }) {
      await checkTarget(target, node);
      return counted(["cat"], node);
    },
    async logs(request, signal) {
      await checkTarget(request.target, node);
      return logLines(request, { node, signal });
    },
    async portForward(target) {
      await checkTarget(target, node);
      return async (connection) => {
        running.ports++;
        try {
          await forward(connection);
        } finally {
          running.ports--;
        }
      };
    },
    pods: ({ running }) =>
      Promise.resolve({ kind: "PodList", apiVersion: "v1", items: [running] }),
    stats: () => Promise.resolve(SUMMARY),
  };
  return node;
}

async function checkTarget(target: PodTarget, node: LocalNode): Promise<void> {
  // As a device would: never in the same turn of the event loop.
  await Promise.resolve();
  if (node.refusal) throw node.refusal;
  if (target.pod === "web" && ["app", ""].includes(target.container)) return;
  throw new AranyaError(
    "not_found",
    `Cannot find container "${target.container}" of pod "${target.namespace}/${target.pod}": there is none`,
  );
}

/** Counts the command among those that run. */
function counted(command: string[], node: LocalNode): RunCommand {
  return async (io) => {
    node.running.commands++;
    try {
      return await runCommand(command, { io, node });
    } finally {
      node.running.commands--;
    }
  };
}

async function runCommand(
  command: string[],
  { io, node }: { io: ExecIo; node: LocalNode },
): Promise<ExitStatus> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { detached: true });
  const ended = new Promise<ExitStatus>((resolve) => {
    child.on("error", (error) => {
      resolve({ code: 127, reason: "StartError", message: error.message });
    });
    child.on("close", (code) => resolve({ code: code ?? 137 }));
  });
  const kill = () => child.pid && process(child.pid);
  io.signal.addEventListener("abort", kill);
  child.stdin.on("error", () => {});
  const feeding = (async () => {
    try {
      for await (const chunk of io.stdin) {
        if (!child.stdin.write(chunk)) {
          await new Promise((resolve) => child.stdin.once("drain", resolve));
        }
      }
      child.stdin.end();
    } catch {
      kill();
    }
  })();
  void feeding;
  void (async () => {
    for await (const { width, height } of io.resizes) {
      node.sizes.push(`${width}x${height}`);
    }
  })();
  const copy = async (
    from: Readable,
    to: (chunk: Uint8Array) => Promise<void>,
  ) => {
    try {
      for await (const chunk of from) await to(chunk);
    } catch {
      kill();
    }
  };
  await Promise.all([
    copy(child.stdout, io.stdout),
    copy(child.stderr, io.stderr),
  ]);
  return await ended;
}

function process(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

async function* logLines(
  call: LogsRequest<PodTarget>,
  { node, signal }: { node: LocalNode; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  node.running.logs++;
  try {
    for (let line = 1; line <= (call.tailLines ?? 3); line++) {
      yield utf8(`line ${line}\n`);
    }
    if (!call.follow) return;
    await Promise.race([
      node.tick,
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      ),
    ]);
    yield utf8("last line\n");
  } finally {
    node.running.logs--;
  }
}

async function forward(call: ForwardedPort): Promise<void> {
  const socket = connect({
    port: call.port,
    host: "127.0.0.1",
    allowHalfOpen: true,
  });
  const failed = new Promise<never>((_, reject) => {
    socket.on("error", reject);
    call.signal.addEventListener("abort", () => reject(call.signal.reason));
  });
  failed.catch(() => {});
  try {
    await Promise.race([
      failed,
      new Promise((resolve) => socket.once("connect", resolve)),
    ]);
    await Promise.race([failed, both(call, socket)]);
  } finally {
    socket.destroy();
  }
}

async function both(
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
    // Leaving or ending a plain loop over the socket would destroy its other half.
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

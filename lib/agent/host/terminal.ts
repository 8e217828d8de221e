// SPDX-License-Identifier: Apache-2.0
/** Commands on the host with a terminal of their own (a pty, by node-pty, which is loaded at the first use). */
import type * as NodePty from "@lydell/node-pty";
import { closeSync, constants, openSync } from "node:fs";
import type { IPty } from "@lydell/node-pty";
import { AranyaError } from "../../shared/base/mod.ts";
import {
  CLIENT_LEFT,
  type ExecIo,
  type ExitStatus,
} from "../../shared/exec/mod.ts";
import { CHECK_COMMAND, signalGroup } from "./exit.ts";

const SCRIPT = `${CHECK_COMMAND}\nexec "$@"\n`;
/** Clients with a terminal send its size at once; programs that ask for it at their start shall see it. */
const FIRST_SIZE_MS = 200;
const DEFAULT_SIZE = { width: 80, height: 24 };
const MAX_SIDE = 65_535;
/** A terminal's end of input, in its usual setting. */
const END_OF_INPUT = "\x04";

/** Options of {@linkcode runTerminal}. */
export interface RunTerminalOptions {
  command: string[];
  env: Readonly<Record<string, string>>;
  /** @default "/" */
  cwd?: string;
  io: ExecIo;
}

/**
 * Runs a command on a terminal to its end; all output goes to stdout. When the client leaves, the terminal hangs up.
 * @throws {AranyaError} "unsupported" when there is no pty on this machine
 */
export async function runTerminal(
  options: RunTerminalOptions,
): Promise<ExitStatus> {
  const { command, env, io, cwd = "/" } = options;
  const pty = await load();
  const sizes = io.resizes[Symbol.asyncIterator]();
  const first = sizes.next();
  const size = await sizeWithin(first, FIRST_SIZE_MS);
  if (io.signal.aborted) return CLIENT_LEFT;
  const terminal = pty.spawn("sh", ["-c", SCRIPT, "sh", ...command], {
    name: "xterm",
    cols: size.width,
    rows: size.height,
    cwd,
    env: { ...env },
    // Bytes, not text: a character may be cut between two reads.
    encoding: null,
  });
  return await follow(terminal, { io, first, sizes });
}

/** Without these node-pty throws from a timer, where nobody can catch it. */
const NEEDED = ["read", "write", "run", "ffi"] as const;

async function load(): Promise<typeof NodePty> {
  for (const name of NEEDED) {
    const { state } = await Deno.permissions.query({ name });
    // ffi may be granted for the library's folder alone.
    if (state === "granted" || name === "ffi") continue;
    throw new AranyaError(
      "forbidden",
      `Cannot open a terminal on the device: the agent's permission set does not allow "${name}", expected it without limits`,
    );
  }
  try {
    return await import("@lydell/node-pty");
  } catch (error) {
    throw new AranyaError(
      "unsupported",
      "Cannot open a terminal on the device: its pty library does not load",
      { cause: error },
    );
  }
}

type Size = { width: number; height: number };

async function follow(
  terminal: IPty,
  around: {
    io: ExecIo;
    first: Promise<IteratorResult<Size>>;
    sizes: AsyncIterator<Size>;
  },
): Promise<ExitStatus> {
  const { io } = around;
  const release = holdOpen(terminal);
  let ended = false;
  const left = Promise.withResolvers<"left">();
  const onAbort = () => left.resolve("left");
  io.signal.addEventListener("abort", onAbort, { once: true });
  let last: Promise<void> = Promise.resolve();
  const data = terminal.onData((chunk: string | Uint8Array) => {
    const bytes = typeof chunk === "string"
      ? new TextEncoder().encode(chunk)
      : new Uint8Array(chunk);
    terminal.pause();
    last = last.then(() => io.stdout(bytes)).then(
      () => void (ended || terminal.resume()),
      onAbort,
    );
  });
  const exit = new Promise<ExitStatus>((resolve) => {
    terminal.onExit(({ exitCode, signal }) => {
      ended = true;
      resolve({ code: signal ? 128 + signal : exitCode });
    });
  });
  const alive = () => !ended;
  feed(terminal, io.stdin, alive);
  resize(terminal, around, alive);
  try {
    const result = await Promise.race([
      left.promise,
      exit.then(async (code) => {
        await last;
        return code;
      }),
    ]);
    if (result !== "left") return result;
    if (!ended) signalGroup(terminal.pid, "SIGHUP");
    return CLIENT_LEFT;
  } finally {
    io.signal.removeEventListener("abort", onAbort);
    data.dispose();
    release();
    // Closing the master side is what hangs up on whatever still holds the terminal.
    if (!ended) terminal.kill("SIGHUP");
  }
}

/**
 * Keeps the program's end of the terminal open until the program has ended. A program may close its own before that (coreutils do);
 * the library would take that for the end and hang up, and SIGHUP would become the program's exit code. Of the program's end itself the
 * library tells too late, but then it begins to wait for "close".
 */
function holdOpen(terminal: IPty): () => void {
  const path: unknown = Reflect.get(terminal, "ptsName");
  const once: unknown = Reflect.get(terminal, "once");
  if (typeof path !== "string" || typeof once !== "function") return () => {};
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  } catch {
    // The file is gone with the program's end: there is nothing to wait for.
  }
  const release = () => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  Object.defineProperty(terminal, "once", {
    value: (...parameters: unknown[]) => {
      if (parameters[0] === "close") release();
      return once.apply(terminal, parameters);
    },
  });
  return release;
}

function feed(
  terminal: IPty,
  stdin: AsyncIterable<Uint8Array>,
  alive: () => boolean,
): void {
  const run = async () => {
    for await (const chunk of stdin) {
      if (!alive()) return;
      terminal.write(chunk as unknown as string);
    }
    if (alive()) terminal.write(END_OF_INPUT);
  };
  // A client that breaks off is seen by its signal.
  run().catch(() => {});
}

function resize(
  terminal: IPty,
  around: {
    first: Promise<IteratorResult<Size>>;
    sizes: AsyncIterator<Size>;
  },
  alive: () => boolean,
): void {
  const run = async () => {
    for (
      let next = await around.first;
      !next.done && alive();
      next = await around.sizes.next()
    ) {
      const { width, height } = clamp(next.value);
      terminal.resize(width, height);
    }
  };
  run().catch(() => {});
}

async function sizeWithin(
  first: Promise<IteratorResult<Size>>,
  timeoutMs: number,
): Promise<Size> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) =>
    timer = setTimeout(() => resolve(undefined), timeoutMs)
  );
  const result = await Promise.race([first.catch(() => undefined), late]);
  clearTimeout(timer);
  return result?.value === undefined ? DEFAULT_SIZE : clamp(result.value);
}

/** Sides of 0 come from clients without a terminal; the kernel keeps 16 bits. */
function clamp(size: Size): Size {
  const side = (value: number, fallback: number) =>
    value >= 1 ? Math.min(MAX_SIDE, Math.floor(value)) : fallback;
  return {
    width: side(size.width, DEFAULT_SIZE.width),
    height: side(size.height, DEFAULT_SIZE.height),
  };
}

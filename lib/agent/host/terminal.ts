// SPDX-License-Identifier: Apache-2.0
/** Commands on the host with a terminal of their own (a pty). */
import type { IPty } from "@lydell/node-pty";
import { onAbort, utf8 } from "../../shared/base/mod.ts";
import {
  CLIENT_LEFT,
  type ExecIo,
  type ExitStatus,
  type TerminalSize,
} from "../../shared/exec/mod.ts";
import { CHECK_COMMAND, signalProcessGroup } from "./exit.ts";
import { holdTerminalOpen, loadPty } from "./pty.ts";

const SCRIPT = `${CHECK_COMMAND}\nexec "$@"\n`;
/**
 * How long to wait for the client's first size, in milliseconds. Clients with a terminal send it
 * at once, and a program that asks for the size when it starts should get it.
 */
const FIRST_SIZE_TIMEOUT_MS = 200;
const DEFAULT_SIZE: TerminalSize = { width: 80, height: 24 };
/** The kernel holds width and height in 16 bits. */
const MAX_SIDE = 65_535;
/** Ends the input of a terminal in its usual mode (Ctrl-D, termios VEOF). */
const END_OF_INPUT = "\x04";

/** Options of {@linkcode runTerminal}. */
export interface RunTerminalOptions {
  /** Program and arguments. */
  command: string[];
  /** The whole environment of the command. */
  env: Readonly<Record<string, string>>;
  /** Working directory. @default "/" */
  cwd?: string;
  io: ExecIo;
}

/**
 * Runs a command on a terminal to its end; all output goes to stdout. When the client leaves, the
 * process group gets SIGHUP and the terminal is closed.
 * @throws {AranyaError} code "unsupported" or "forbidden" when no terminal can be opened
 */
export async function runTerminal(
  options: RunTerminalOptions,
): Promise<ExitStatus> {
  const { command, env, io, cwd = "/" } = options;
  const pty = await loadPty();
  const sizes = io.resizes[Symbol.asyncIterator]();
  const firstSize = sizes.next();
  const { width, height } = await waitForSize(firstSize);
  if (io.signal.aborted) return CLIENT_LEFT;
  const terminal = pty.spawn("sh", ["-c", SCRIPT, "sh", ...command], {
    name: "xterm",
    cols: width,
    rows: height,
    cwd,
    env: { ...env },
    // Bytes, not text: a character may be split between two reads.
    encoding: null,
  });
  return await new TerminalRun(terminal, io).run(prepend(firstSize, sizes));
}

/** A process on its terminal, and its client. */
class TerminalRun {
  readonly #terminal: IPty;
  readonly #io: ExecIo;
  readonly #clientLeft = Promise.withResolvers<undefined>();
  #hasExited = false;
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(terminal: IPty, io: ExecIo) {
    this.#terminal = terminal;
    this.#io = io;
  }

  /** Copies input, output and sizes until the process has exited or the client has left. */
  async run(sizes: AsyncIterable<TerminalSize>): Promise<ExitStatus> {
    const terminal = this.#terminal;
    const hold = holdTerminalOpen(terminal);
    using _listener = onAbort(
      this.#io.signal,
      () => this.#clientLeft.resolve(undefined),
    );
    const output = terminal.onData((chunk: string | Uint8Array) => {
      this.#copyOutput(chunk);
    });
    const exit = this.#waitForExit();
    this.#copyInput();
    this.#applySizes(sizes);
    try {
      const status = await Promise.race([
        this.#clientLeft.promise,
        exit.then(async (status) => {
          await this.#lastWrite;
          return status;
        }),
      ]);
      if (status) return status;
      if (!this.#hasExited) signalProcessGroup(terminal.pid, "SIGHUP");
      return CLIENT_LEFT;
    } finally {
      output.dispose();
      hold[Symbol.dispose]();
      // Closes the agent's side of the terminal, which hangs up on all that still have it open.
      if (!this.#hasExited) terminal.kill("SIGHUP");
    }
  }

  #waitForExit(): Promise<ExitStatus> {
    return new Promise((resolve) => {
      this.#terminal.onExit(({ exitCode, signal }) => {
        this.#hasExited = true;
        resolve({ code: signal ? 128 + signal : exitCode });
      });
    });
  }

  /** Writes one chunk to the client; no more is read from the terminal until it is written. */
  #copyOutput(chunk: string | Uint8Array): void {
    const bytes = typeof chunk === "string"
      ? utf8(chunk)
      : new Uint8Array(chunk);
    this.#terminal.pause();
    this.#lastWrite = this.#lastWrite.then(() => this.#io.stdout(bytes)).then(
      () => {
        if (!this.#hasExited) this.#terminal.resume();
      },
      () => this.#clientLeft.resolve(undefined),
    );
  }

  /** Copies the client's input to the terminal in the background. */
  #copyInput(): void {
    const copy = async () => {
      for await (const chunk of this.#io.stdin) {
        if (this.#hasExited) return;
        this.#terminal.write(chunk as unknown as string);
      }
      if (!this.#hasExited) this.#terminal.write(END_OF_INPUT);
    };
    // It fails when the client leaves, which the signal reports.
    copy().catch(() => {});
  }

  /** Applies sizes in the background as they arrive. */
  #applySizes(sizes: AsyncIterable<TerminalSize>): void {
    const apply = async () => {
      for await (const size of sizes) {
        if (this.#hasExited) return;
        const { width, height } = clampSize(size);
        this.#terminal.resize(width, height);
      }
    };
    apply().catch(() => {});
  }
}

/** Yields the value of `first`, which was taken from `rest` before, and then the rest. */
async function* prepend<T>(
  first: Promise<IteratorResult<T>>,
  rest: AsyncIterator<T>,
): AsyncGenerator<T> {
  for (let next = await first; !next.done; next = await rest.next()) {
    yield next.value;
  }
}

/** Returns the first size, or the default one when it doesn't arrive soon. */
async function waitForSize(
  first: Promise<IteratorResult<TerminalSize>>,
): Promise<TerminalSize> {
  const timeout = Promise.withResolvers<undefined>();
  const timer = setTimeout(
    () => timeout.resolve(undefined),
    FIRST_SIZE_TIMEOUT_MS,
  );
  const result = await Promise.race([
    first.catch(() => undefined),
    timeout.promise,
  ]);
  clearTimeout(timer);
  return result?.value === undefined ? DEFAULT_SIZE : clampSize(result.value);
}

/**
 * Limits a size to what the kernel takes. Clients without a terminal send 0, which becomes the
 * default.
 */
function clampSize({ width, height }: TerminalSize): TerminalSize {
  const clampSide = (value: number, fallback: number) =>
    value >= 1 ? Math.min(MAX_SIDE, Math.floor(value)) : fallback;
  return {
    width: clampSide(width, DEFAULT_SIZE.width),
    height: clampSide(height, DEFAULT_SIZE.height),
  };
}

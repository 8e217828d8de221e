// SPDX-License-Identifier: Apache-2.0
/** A process in a container, connected to a client. */
import type { Clock } from "../../shared/base/mod.ts";
import type { ExecIo, TerminalSize } from "../../shared/exec/mod.ts";
import { demux, type DockerSocket, type OutputPiece } from "../docker/mod.ts";

/** A resize fails until the process has started, so it is repeated. */
const RESIZE_RETRY_INTERVAL_MS = 50;
const MAX_RESIZE_TRIES = 20;

/** Options of {@linkcode AttachedProcess}. */
export interface AttachedProcessOptions {
  /** The hijacked connection; `run` closes it. */
  socket: DockerSocket;
  /** Whether the process has a terminal: its output is raw then, else multiplexed. */
  tty: boolean;
  io: ExecIo;
  /** Sets the size of the process's terminal. */
  resize: (size: TerminalSize) => Promise<void>;
  /** Whether the process's stdin is closed at the client's EOF. */
  halfClose: boolean;
  clock: Clock;
}

/** Copies input, output and terminal sizes between a client and a process. */
export class AttachedProcess {
  readonly #options: AttachedProcessOptions;
  /** Aborted when the output has ended or the client has left. */
  readonly #finished = new AbortController();
  /** The latest size that was not applied. */
  #pendingSize: TerminalSize | undefined;
  #isApplyingSizes = false;

  constructor(options: AttachedProcessOptions) {
    this.#options = options;
  }

  /** Runs until the process's output ends, or the client leaves. May be called once. */
  async run(): Promise<"output-ended" | "client-left"> {
    const { socket, io, tty } = this.#options;
    this.#copyInput();
    if (tty) this.#receiveSizes();
    try {
      const pieces = tty ? asStdout(socket.output) : demux(socket.output);
      for await (const { stream, bytes } of pieces) {
        try {
          await (stream === "stdout" ? io.stdout(bytes) : io.stderr(bytes));
        } catch {
          return "client-left";
        }
      }
      return "output-ended";
    } catch (error) {
      if (io.signal.aborted) return "client-left";
      throw error;
    } finally {
      this.#finished.abort();
      socket.close();
    }
  }

  /** Copies the client's input in the background. */
  #copyInput(): void {
    const { socket, io, halfClose } = this.#options;
    const { signal } = this.#finished;
    const copy = async () => {
      for await (const chunk of io.stdin) {
        if (signal.aborted) return;
        await socket.write(chunk);
      }
      if (halfClose && !signal.aborted) await socket.endInput();
    };
    // It fails when the process reads no more or the client leaves; `run` sees both in the output.
    copy().catch(() => {});
  }

  /**
   * Applies the client's sizes in the background; of several that arrive meanwhile only the last.
   */
  #receiveSizes(): void {
    const receive = async () => {
      for await (const size of this.#options.io.resizes) {
        if (this.#finished.signal.aborted) return;
        if (size.width < 1 || size.height < 1) continue;
        this.#pendingSize = size;
        this.#applyPendingSizes().catch(() => {});
      }
    };
    receive().catch(() => {});
  }

  async #applyPendingSizes(): Promise<void> {
    if (this.#isApplyingSizes) return;
    this.#isApplyingSizes = true;
    try {
      while (this.#pendingSize && !this.#finished.signal.aborted) {
        const size = this.#pendingSize;
        this.#pendingSize = undefined;
        await this.#applySize(size);
      }
    } finally {
      this.#isApplyingSizes = false;
    }
  }

  /** Tries until it succeeds, or a newer size has arrived. */
  async #applySize(size: TerminalSize): Promise<void> {
    const { resize, clock } = this.#options;
    const { signal } = this.#finished;
    for (let tries = 1; !signal.aborted && !this.#pendingSize; tries++) {
      try {
        return await resize(size);
      } catch (error) {
        if (tries >= MAX_RESIZE_TRIES) throw error;
      }
      await clock.sleep(RESIZE_RETRY_INTERVAL_MS, { signal });
    }
  }
}

async function* asStdout(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<OutputPiece> {
  for await (const bytes of chunks) yield { stream: "stdout", bytes };
}

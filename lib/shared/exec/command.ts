// SPDX-License-Identifier: Apache-2.0
/** exec and attach: a command, its input and output, and how it ended. */

/** Which standard streams the client opens, and whether the command has a terminal. */
export interface ExecStreams {
  /** The client sends input. */
  stdin: boolean;
  /** The client takes standard output. */
  stdout: boolean;
  /** The client takes standard error; always false with a terminal, which has one output only. */
  stderr: boolean;
  /** The process has a terminal. */
  tty: boolean;
}

/** A command to run in `target`. */
export interface ExecRequest<Target> extends ExecStreams {
  target: Target;
  /** Program and arguments; no shell is involved. */
  command: string[];
}

/** An attachment to the first process of `target`. */
export interface AttachRequest<Target> extends ExecStreams {
  target: Target;
}

/** Size of a terminal, in characters. */
export interface TerminalSize {
  width: number;
  height: number;
}

/**
 * Input and output of a command. Bytes move only as fast as the slower side: a chunk is read from
 * `stdin` when the process takes it, and the promises of `stdout` and `stderr` resolve when the
 * client has room for more.
 */
export interface ExecIo {
  /** The client's input. Ends at the client's EOF; throws when the client has left. */
  stdin: AsyncIterable<Uint8Array>;
  /** Writes to the client. A rejection means that the client has left. */
  stdout(chunk: Uint8Array): Promise<void>;
  /** Writes to the client, as `stdout`. */
  stderr(chunk: Uint8Array): Promise<void>;
  /** Sizes of the client's terminal; a slow reader gets the latest only. */
  resizes: AsyncIterable<TerminalSize>;
  /** Aborted when the client has left. */
  signal: AbortSignal;
}

/** How a command ended. */
export interface ExitStatus {
  /** Exit code; 128+n after signal n. */
  code: number;
  /**
   * A CamelCase word when the command could not be run, or not be followed to its end. Absent after
   * a plain exit.
   */
  reason?: string;
  /** A sentence for people, beside `reason`. */
  message?: string;
}

/** Status of a command whose client left before it ended. */
export const CLIENT_LEFT: ExitStatus = {
  code: 129,
  reason: "ClientLeft",
  message: "the client left",
};

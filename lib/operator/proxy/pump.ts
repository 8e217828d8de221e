// SPDX-License-Identifier: Apache-2.0
/** Bytes between a client of the kubelet API and a stream of the session. */
import {
  type AranyaError,
  asAranyaError,
  EMPTY_STREAM,
} from "../../shared/base/mod.ts";
import type {
  ConnectionIo,
  ExecIo,
  TerminalSize,
} from "../../shared/exec/mod.ts";
import type { Stream } from "../../shared/session/mod.ts";
import {
  encodeMessage,
  EXEC_CHANNELS,
  PORT_FORWARD_CHANNELS,
  ResizeSchema,
} from "../../shared/wire/mod.ts";

/** Options of {@linkcode pumpCommand}. */
export interface PumpCommandOptions {
  io: ExecIo;
  /** Whether the client sends input. */
  stdin: boolean;
  /** Whether the command has a terminal, whose size may change. */
  tty: boolean;
  /** What an error's message begins with. */
  action: string;
}

/**
 * Carries a command's input, output and terminal sizes until the device has sent its exit status.
 * @returns the stream's result; the client has taken every byte that came before it
 * @throws {AranyaError} the device's error, or "cancelled" when the client has left
 */
export async function pumpCommand(
  stream: Stream,
  { io, stdin, tty, action }: PumpCommandOptions,
): Promise<Uint8Array> {
  const reset = resetOn(stream, action);
  // Input may end before the command does, or continue after it: neither direction waits for the
  // other.
  void feed(stream, {
    channel: EXEC_CHANNELS.stdin,
    source: stdin ? io.stdin : EMPTY_STREAM,
  }).catch(reset);
  if (tty) {
    const source = encodeSizes(io.resizes);
    void feed(stream, { channel: EXEC_CHANNELS.resize, source }).catch(reset);
  }
  try {
    const [result] = await Promise.all([
      stream.result,
      drain(stream.read(EXEC_CHANNELS.stdout), (chunk) => io.stdout(chunk)),
      drain(stream.read(EXEC_CHANNELS.stderr), (chunk) => io.stderr(chunk)),
    ]);
    return result;
  } catch (error) {
    throw reset(error);
  }
}

/** Options of {@linkcode pumpConnection}. */
export interface PumpConnectionOptions {
  io: ConnectionIo;
  /** What an error's message begins with. */
  action: string;
}

/**
 * Carries one TCP connection until the device has closed it.
 * @throws {AranyaError} as {@linkcode pumpCommand}
 */
export async function pumpConnection(
  stream: Stream,
  { io, action }: PumpConnectionOptions,
): Promise<void> {
  const reset = resetOn(stream, action);
  void feed(stream, { channel: PORT_FORWARD_CHANNELS.down, source: io.input })
    .catch(reset);
  const drainUp = async () => {
    await drain(
      stream.read(PORT_FORWARD_CHANNELS.up),
      (chunk) => io.output(chunk),
    );
    await io.endOutput();
  };
  try {
    await Promise.all([stream.result, drainUp()]);
  } catch (error) {
    throw reset(error);
  }
}

/**
 * Returns a function that resets the stream with an error, unless it has ended already, and returns
 * that error as ours.
 */
function resetOn(
  stream: Stream,
  action: string,
): (error: unknown) => AranyaError {
  return (error) => {
    const failure = asAranyaError(error, action);
    if (!stream.signal.aborted) stream.reset(failure);
    return failure;
  };
}

async function feed(
  stream: Stream,
  { channel, source }: {
    channel: number;
    source: AsyncIterable<Uint8Array>;
  },
): Promise<void> {
  for await (const chunk of source) {
    if (stream.signal.aborted) return;
    await stream.write(channel, chunk);
  }
  if (!stream.signal.aborted) await stream.end(channel);
}

async function drain(
  source: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  for await (const chunk of source) {
    if (chunk.length > 0) await write(chunk);
  }
}

async function* encodeSizes(
  sizes: AsyncIterable<TerminalSize>,
): AsyncGenerator<Uint8Array> {
  for await (const size of sizes) yield encodeMessage(ResizeSchema, size);
}

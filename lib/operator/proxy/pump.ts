// SPDX-License-Identifier: Apache-2.0
/** Bytes between a client of the kubelet face and a stream of the session: pumps in every direction, and one end for all of them. */
import { type AranyaError, asAranyaError } from "../../shared/base/mod.ts";
import type { CallIo, PortForwardCall } from "../kubelet/mod.ts";
import type { Stream } from "../../shared/session/mod.ts";
import { encodeMessage, ResizeSchema } from "../../shared/wire/mod.ts";

/** Channels of exec, attach and logs (proto/aranya.proto, Method). */
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, resize: 4 } as const;

/** Channels of port-forward. */
export const FORWARD_CHANNEL = { down: 0, up: 1 } as const;

/** Which directions a command has. */
export interface PumpOptions {
  io: CallIo;
  stdin: boolean;
  tty: boolean;
  /** What an error's text begins with. */
  action: string;
}

/**
 * Carries a command's bytes until its last word, and returns that: every byte before it has been taken by the client then.
 * @throws {AranyaError} the device's own error, or "cancelled" when the client has left
 */
export async function pumpCommand(
  stream: Stream,
  { io, stdin, tty, action }: PumpOptions,
): Promise<Uint8Array> {
  const reset = resetOn(stream, action);
  // What the client sends may end before the command does, or go on after it: neither direction waits for the other.
  void feed(stream, {
    channel: CHANNEL.stdin,
    source: stdin ? io.stdin : NOTHING,
  }).catch(reset);
  if (tty) {
    const source = encodeSizes(io.resizes);
    void feed(stream, { channel: CHANNEL.resize, source }).catch(reset);
  }
  try {
    const [last] = await Promise.all([
      stream.result,
      drain(stream.read(CHANNEL.stdout), (chunk) => io.stdout(chunk)),
      drain(stream.read(CHANNEL.stderr), (chunk) => io.stderr(chunk)),
    ]);
    return last;
  } catch (error) {
    throw reset(error);
  }
}

/** Carries one TCP connection until the device says that it is over. @throws {AranyaError} as {@linkcode pumpCommand} */
export async function pumpConnection(
  stream: Stream,
  call: PortForwardCall & { action: string },
): Promise<void> {
  const reset = resetOn(stream, call.action);
  void feed(stream, { channel: FORWARD_CHANNEL.down, source: call.input })
    .catch(reset);
  const up = async () => {
    await drain(
      stream.read(FORWARD_CHANNEL.up),
      (chunk) => call.output(chunk),
    );
    await call.endOutput();
  };
  try {
    await Promise.all([stream.result, up()]);
  } catch (error) {
    throw reset(error);
  }
}

/** Ends a stream whose pump failed; gives the error back in our form. A stream that has ended by itself is left alone. */
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
  take: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  for await (const chunk of source) {
    if (chunk.length > 0) await take(chunk);
  }
}

async function* encodeSizes(
  sizes: CallIo["resizes"],
): AsyncGenerator<Uint8Array> {
  for await (const size of sizes) {
    yield encodeMessage(ResizeSchema, size);
  }
}

const NOTHING: AsyncIterable<never> = {
  async *[Symbol.asyncIterator]() {},
};

// SPDX-License-Identifier: Apache-2.0
/** exec and attach: connects a stream's channels to a process in a container or on the host. */
import { EMPTY_STREAM } from "../../shared/base/mod.ts";
import type {
  ExecIo,
  ExitStatus,
  TerminalSize,
} from "../../shared/exec/mod.ts";
import type { Stream } from "../../shared/session/mod.ts";
import {
  AttachSchema,
  decodeMessage,
  encodeMessage,
  EXEC_CHANNELS,
  ExecSchema,
  ExitStatusSchema,
  type Resize,
  ResizeSchema,
  type Target,
} from "../../shared/wire/mod.ts";
import type { StreamCall, StreamContext } from "./context.ts";
import { resolveTarget } from "./target.ts";

/**
 * Serves METHOD_EXEC; the result is the exit status.
 * @throws {AranyaError} when the command can't be run; the caller resets the stream with it
 */
export async function serveExec(
  { payload, stream }: StreamCall,
  context: StreamContext,
): Promise<void> {
  const message = decodeMessage(ExecSchema, payload);
  const { command, stdin, stdout, stderr, tty, size } = message;
  const target = resolveTarget(message.target, { ...context, verb: "exec" });
  const status = await context.streams.exec(
    { target, command, stdin, stdout, stderr, tty },
    toExecIo(stream, { stdin, size }),
  );
  await sendExitStatus(stream, status);
}

/**
 * Serves METHOD_ATTACH; the result is the exit status.
 * @throws {AranyaError} when the process can't be attached to; the caller resets the stream with it
 */
export async function serveAttach(
  { payload, stream }: StreamCall,
  context: StreamContext,
): Promise<void> {
  const message = decodeMessage(AttachSchema, payload);
  const { stdin, stdout, stderr, tty } = message;
  const target = resolveTarget(message.target, { ...context, verb: "attach" });
  const stdinOnce = isStdinOnce(message.target, context);
  const status = await context.streams.attach(
    { target, stdin, stdout, stderr, tty, stdinOnce },
    toExecIo(stream, { stdin, size: undefined }),
  );
  await sendExitStatus(stream, status);
}

/** Returns `stdinOnce` of the container's spec; false for the host. */
function isStdinOnce(
  target: Target | undefined,
  { pods }: StreamContext,
): boolean {
  if (!target) return false;
  return pods.findSpec(target.podUid)?.containers.find(({ name }) =>
    name === target.container
  )?.stdinOnce ?? false;
}

/** Sends the exit status as the stream's result. */
async function sendExitStatus(
  stream: Stream,
  status: ExitStatus,
): Promise<void> {
  const { code, reason = "", message = "" } = status;
  await stream.finish(
    encodeMessage(ExitStatusSchema, { code, reason, message }),
  );
}

/** @param options `size` is the terminal's first size, if the request has one */
function toExecIo(
  stream: Stream,
  { stdin, size }: { stdin: boolean; size: Resize | undefined },
): ExecIo {
  return {
    stdin: stdin ? stream.read(EXEC_CHANNELS.stdin) : EMPTY_STREAM,
    stdout: (chunk) => stream.write(EXEC_CHANNELS.stdout, chunk),
    stderr: (chunk) => stream.write(EXEC_CHANNELS.stderr, chunk),
    resizes: readSizes(stream, size),
    signal: stream.signal,
  };
}

/**
 * Yields the size in the request, then those of the resize channel. Ends without an error when the
 * stream ends.
 */
async function* readSizes(
  stream: Stream,
  first: Resize | undefined,
): AsyncGenerator<TerminalSize> {
  if (first) yield { width: first.width, height: first.height };
  try {
    for await (const chunk of stream.read(EXEC_CHANNELS.resize)) {
      const { width, height } = decodeMessage(ResizeSchema, chunk);
      yield { width, height };
    }
  } catch (error) {
    if (!stream.signal.aborted) throw error;
  }
}

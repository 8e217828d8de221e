// SPDX-License-Identifier: Apache-2.0
/** exec and attach: a stream's channels joined to a process of a container or the host. */
import type { ExitResult, StreamIo, StreamRuntime } from "../runtime/mod.ts";
import type { Stream } from "../../shared/session/mod.ts";
import {
  AttachSchema,
  decodeMessage,
  encodeMessage,
  ExecSchema,
  ExitStatusSchema,
  type PodSpec,
  type Resize,
  ResizeSchema,
  type Target,
} from "../../shared/wire/mod.ts";
import { resolveTarget, type ResolveTargetOptions } from "./target.ts";

/** What streams need of the agent. */
export interface StreamSurroundings extends Omit<ResolveTargetOptions, "verb"> {
  streams: StreamRuntime;
  specOf(uid: string): PodSpec | undefined;
}

const CHANNELS = { stdin: 0, stdout: 1, stderr: 2, resize: 4 } as const;

/** METHOD_EXEC. @throws {AranyaError} when it can't be done; the stream is then to be reset */
export async function serveExec(
  payload: Uint8Array,
  stream: Stream,
  around: StreamSurroundings,
): Promise<void> {
  const call = decodeMessage(ExecSchema, payload);
  const result = await around.streams.exec(
    {
      target: resolveTarget(call.target, { ...around, verb: "exec" }),
      command: call.command,
      stdin: call.stdin,
      stdout: call.stdout,
      stderr: call.stderr,
      tty: call.tty,
    },
    toIo(stream, { stdin: call.stdin, size: call.size }),
  );
  await finish(stream, result);
}

/** METHOD_ATTACH. @throws {AranyaError} as above */
export async function serveAttach(
  payload: Uint8Array,
  stream: Stream,
  around: StreamSurroundings,
): Promise<void> {
  const call = decodeMessage(AttachSchema, payload);
  const result = await around.streams.attach(
    {
      target: resolveTarget(call.target, { ...around, verb: "attach" }),
      stdin: call.stdin,
      stdout: call.stdout,
      stderr: call.stderr,
      tty: call.tty,
      stdinOnce: isStdinOnce(call.target, around),
    },
    toIo(stream, { stdin: call.stdin, size: undefined }),
  );
  await finish(stream, result);
}

function isStdinOnce(
  target: Target | undefined,
  around: StreamSurroundings,
): boolean {
  if (!target) return false;
  return around.specOf(target.podUid)?.containers.find(({ name }) =>
    name === target.container
  )?.stdinOnce ?? false;
}

async function finish(stream: Stream, result: ExitResult): Promise<void> {
  await stream.finish(encodeMessage(ExitStatusSchema, {
    code: result.code,
    reason: result.reason ?? "",
    message: result.message ?? "",
  }));
}

function toIo(
  stream: Stream,
  { stdin, size }: { stdin: boolean; size: Resize | undefined },
): StreamIo {
  return {
    stdin: stdin ? stream.read(CHANNELS.stdin) : nothing(),
    stdout: (chunk) => stream.write(CHANNELS.stdout, chunk),
    stderr: (chunk) => stream.write(CHANNELS.stderr, chunk),
    resizes: toSizes(stream, size),
    signal: stream.signal,
  };
}

async function* nothing(): AsyncGenerator<never> {}

/** Sizes as they come; one Resize fits in one chunk. Ends quietly with the stream. */
async function* toSizes(
  stream: Stream,
  first: Resize | undefined,
): AsyncGenerator<{ width: number; height: number }> {
  if (first) yield { width: first.width, height: first.height };
  try {
    for await (const chunk of stream.read(CHANNELS.resize)) {
      const { width, height } = decodeMessage(ResizeSchema, chunk);
      yield { width, height };
    }
  } catch (error) {
    if (!stream.signal.aborted) throw error;
  }
}

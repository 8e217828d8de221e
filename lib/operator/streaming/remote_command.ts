// SPDX-License-Identifier: Apache-2.0
/**
 * The server's side of Kubernetes' remote command protocols over SPDY (exec and attach; k8s.io/apimachinery
 * `util/remotecommand`). The client opens one stream per kind, named by its `streamType` header: error always; stdin, stdout,
 * stderr as asked for in the URL; resize with a terminal from v3 on. The end is told on the error stream.
 */
import type { Socket } from "node:net";
import {
  type AranyaError,
  asAranyaError,
  EMPTY_STREAM,
  utf8,
} from "../../shared/base/mod.ts";
import type { ExecIo, ExitStatus } from "../../shared/exec/mod.ts";
import type { RemoteCommandProtocol } from "./negotiate.ts";
import { readSizes } from "./resize.ts";
import { serveSpdy, type SpdyConnection } from "./spdy_connection.ts";
import type { SpdyStream } from "./spdy_stream.ts";
import { toCommandStatus, toErrorStatus } from "./status.ts";

/** Options of {@linkcode serveRemoteCommand}. */
export interface ServeRemoteCommandOptions {
  /** What was negotiated. */
  protocol: RemoteCommandProtocol;
  /** Which streams the client said that it opens. */
  stdin: boolean;
  /** See stdin. */
  stdout: boolean;
  /** See stdin; ignored with a terminal. */
  stderr: boolean;
  /** Whether there is a terminal, and so a stream of its sizes. */
  tty: boolean;
  /** What came with the upgrade's request already. */
  head?: Uint8Array;
  /** Runs the command. An error is told to the client by its code and message. */
  run(io: ExecIo): Promise<ExitStatus>;
  /** Ends the command and tells the client the signal's reason. */
  signal?: AbortSignal;
  /** How long the client may take to open its streams, in milliseconds. @default 30000 */
  creationTimeoutMs?: number;
}

type StreamKind = "error" | "stdin" | "stdout" | "stderr" | "resize";

/** Serves one command on a socket that was upgraded. Resolves when the connection has ended; never rejects. */
export async function serveRemoteCommand(
  socket: Socket,
  options: ServeRemoteCommandOptions,
): Promise<void> {
  const awaited = new Set(expectedKinds(options));
  const streams = new Map<StreamKind, SpdyStream>();
  const complete = Promise.withResolvers<void>();
  const connection = serveSpdy(socket, {
    ...(options.head && { head: options.head }),
    onStream(stream) {
      const kind = stream.headers["streamtype"] as StreamKind;
      if (!awaited.delete(kind)) return "refuse";
      streams.set(kind, stream);
      if (awaited.size === 0) complete.resolve();
    },
  });
  const timer = setTimeout(
    () => void connection.close(),
    options.creationTimeoutMs ?? 30_000,
  );
  connection.signal.addEventListener("abort", () => complete.resolve());
  await complete.promise;
  clearTimeout(timer);
  if (!connection.signal.aborted) await runOn(connection, streams, options);
  await connection.close();
}

function expectedKinds(options: ServeRemoteCommandOptions): StreamKind[] {
  const resizes = options.protocol === "v4.channel.k8s.io" ||
    options.protocol === "v3.channel.k8s.io";
  const kinds: StreamKind[] = ["error"];
  if (options.stdin) kinds.push("stdin");
  if (options.stdout) kinds.push("stdout");
  if (options.stderr && !options.tty) kinds.push("stderr");
  if (options.tty && resizes) kinds.push("resize");
  return kinds;
}

async function runOn(
  connection: SpdyConnection,
  streams: Map<StreamKind, SpdyStream>,
  options: ServeRemoteCommandOptions,
): Promise<void> {
  const { signal: stop } = options;
  const resize = streams.get("resize");
  const ended = new AbortController();
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => {});
  const onStop = () => {
    stopped.reject(stop?.reason);
    ended.abort(stop?.reason);
  };
  const onLeave = () => {
    stopped.reject(connection.signal.reason);
    ended.abort(connection.signal.reason);
  };
  if (stop?.aborted) onStop();
  stop?.addEventListener("abort", onStop, { once: true });
  connection.signal.addEventListener("abort", onLeave, { once: true });
  const io: ExecIo = {
    stdin: streams.get("stdin")?.readable ?? EMPTY_STREAM,
    stdout: (chunk) => streams.get("stdout")?.write(chunk) ?? DONE,
    stderr: (chunk) => streams.get("stderr")?.write(chunk) ?? DONE,
    resizes: resize ? readSizes(resize.readable) : EMPTY_STREAM,
    signal: ended.signal,
  };
  let last: Uint8Array;
  try {
    const running = Promise.resolve().then(() => options.run(io));
    const end = await Promise.race([running, stopped.promise]);
    last = encodeEnd(options.protocol, end);
  } catch (error) {
    last = encodeError(
      options.protocol,
      asAranyaError(error, "Cannot run command"),
    );
  }
  stop?.removeEventListener("abort", onStop);
  await sayLast(streams, last);
}

/** Everything written before is on its way already: the socket keeps the order, so the status comes after all output. */
async function sayLast(
  streams: Map<StreamKind, SpdyStream>,
  last: Uint8Array,
): Promise<void> {
  try {
    if (last.length > 0) await streams.get("error")?.write(last);
  } catch {
    // The client has left before the end of its command: nobody is there to be told.
  }
  for (const stream of streams.values()) stream.end();
}

function encodeEnd(
  protocol: RemoteCommandProtocol,
  end: ExitStatus,
): Uint8Array {
  const status = toCommandStatus(end);
  if (protocol === "v4.channel.k8s.io") return utf8(JSON.stringify(status));
  return utf8(status.message ?? "");
}

function encodeError(
  protocol: RemoteCommandProtocol,
  error: AranyaError,
): Uint8Array {
  if (protocol !== "v4.channel.k8s.io") return utf8(error.message);
  return utf8(JSON.stringify(toErrorStatus(error)));
}

const DONE = Promise.resolve();

// SPDX-License-Identifier: Apache-2.0
/** The server's side of Kubernetes' remote command protocols over SPDY: exec and attach. */
import type { Socket } from "node:net";
import {
  abortable,
  asAranyaError,
  defined,
  EMPTY_STREAM,
  onAbort,
  utf8,
  whenAborted,
} from "../../shared/base/mod.ts";
import type { ExecIo, ExitStatus } from "../../shared/exec/mod.ts";
import type { RemoteCommandProtocol } from "./negotiate.ts";
import { serveSpdy, type SpdyConnection } from "./spdy_connection.ts";
import type { SpdyStream } from "./spdy_stream.ts";
import { type KubeStatus, toCommandStatus, toErrorStatus } from "./status.ts";
import { readTerminalSizes } from "./terminal_sizes.ts";

/** Options of {@linkcode serveRemoteCommand}. */
export interface ServeRemoteCommandOptions {
  /** The negotiated protocol. */
  protocol: RemoteCommandProtocol;
  /** Whether the client opens this stream, by the query of its request. */
  stdin: boolean;
  /** Whether the client opens this stream. */
  stdout: boolean;
  /** Whether the client opens this stream; never with a terminal. */
  stderr: boolean;
  /** Whether the command has a terminal, and the client a stream of its sizes. */
  tty: boolean;
  /** Bytes that arrived together with the upgrade request. */
  head?: Uint8Array;
  /** Runs the command. An error is sent to the client with its code and message. */
  run(io: ExecIo): Promise<ExitStatus>;
  /** Ends the command; its reason is sent to the client. */
  signal?: AbortSignal;
  /** How long the client may take to open its streams, in milliseconds. @default 30000 */
  creationTimeoutMs?: number;
}

type StreamKind = "error" | "stdin" | "stdout" | "stderr" | "resize";

const CREATION_TIMEOUT_MS = 30_000;
const DONE = Promise.resolve();

/**
 * Serves one command on an upgraded socket (apimachinery `util/remotecommand`). The client opens
 * one stream per kind, named by its header `streamType`: "error" always; "stdin", "stdout" and
 * "stderr" as in the query of its request; "resize" with a terminal, from v3 on. The result is sent
 * on the error stream, after all output.
 *
 * Resolves when the connection has ended; never rejects.
 */
export async function serveRemoteCommand(
  socket: Socket,
  options: ServeRemoteCommandOptions,
): Promise<void> {
  const missing = new Set(expectedKinds(options));
  const streams = new Map<StreamKind, SpdyStream>();
  const complete = Promise.withResolvers<void>();
  const connection = serveSpdy(socket, {
    ...defined({ head: options.head }),
    onStream(stream) {
      const kind = stream.headers["streamtype"] as StreamKind;
      if (!missing.delete(kind)) return "refuse";
      streams.set(kind, stream);
      if (missing.size === 0) complete.resolve();
    },
  });
  const timer = setTimeout(
    () => void connection.close(),
    options.creationTimeoutMs ?? CREATION_TIMEOUT_MS,
  );
  await Promise.race([complete.promise, whenAborted(connection.signal)]);
  clearTimeout(timer);
  if (!connection.signal.aborted) {
    const status = await runCommand(connection, { streams, options });
    await sendResult(streams, encodeStatus(options.protocol, status));
  }
  await connection.close();
}

function expectedKinds(options: ServeRemoteCommandOptions): StreamKind[] {
  const { protocol, stdin, stdout, stderr, tty } = options;
  const canResize = protocol === "v4.channel.k8s.io" ||
    protocol === "v3.channel.k8s.io";
  const kinds: StreamKind[] = ["error"];
  if (stdin) kinds.push("stdin");
  if (stdout) kinds.push("stdout");
  if (stderr && !tty) kinds.push("stderr");
  if (tty && canResize) kinds.push("resize");
  return kinds;
}

/** Runs the command until it ends, the client disconnects or the signal is aborted. */
async function runCommand(
  connection: SpdyConnection,
  { streams, options }: {
    streams: Map<StreamKind, SpdyStream>;
    options: ServeRemoteCommandOptions;
  },
): Promise<KubeStatus> {
  const resize = streams.get("resize");
  const ended = new AbortController();
  onAbort(connection.signal, (reason) => ended.abort(reason));
  using _listener = onAbort(options.signal, (reason) => ended.abort(reason));
  const io: ExecIo = {
    stdin: streams.get("stdin")?.readable ?? EMPTY_STREAM,
    stdout: (chunk) => streams.get("stdout")?.write(chunk) ?? DONE,
    stderr: (chunk) => streams.get("stderr")?.write(chunk) ?? DONE,
    resizes: resize ? readTerminalSizes(resize.readable) : EMPTY_STREAM,
    signal: ended.signal,
  };
  try {
    const running = Promise.resolve().then(() => options.run(io));
    return toCommandStatus(await abortable(running, ended.signal));
  } catch (error) {
    return toErrorStatus(asAranyaError(error, "Cannot run command"));
  }
}

/**
 * Writes the result and ends all streams. The socket keeps the order, so all output is before it.
 */
async function sendResult(
  streams: Map<StreamKind, SpdyStream>,
  result: Uint8Array,
): Promise<void> {
  try {
    if (result.length > 0) await streams.get("error")?.write(result);
  } catch {
    // The client has closed the connection: there is no one to send it to.
  }
  for (const stream of streams.values()) stream.end();
}

/** Before v4 the error stream carries text, and nothing on success. */
function encodeStatus(
  protocol: RemoteCommandProtocol,
  status: KubeStatus,
): Uint8Array {
  return protocol === "v4.channel.k8s.io"
    ? utf8(JSON.stringify(status))
    : utf8(status.message ?? "");
}

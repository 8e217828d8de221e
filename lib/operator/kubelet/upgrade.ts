// SPDX-License-Identifier: Apache-2.0
/** Requests that are upgraded to SPDY: exec, attach and port-forward. */
import type { Socket } from "node:net";
import { AranyaError, asAranyaError } from "../../shared/base/mod.ts";
import type { PodTarget } from "../../shared/exec/mod.ts";
import {
  negotiateProtocol,
  pauseReading,
  PORT_FORWARD_PROTOCOLS,
  REMOTE_COMMAND_PROTOCOLS,
  resumeReading,
  servePortForward,
  serveRemoteCommand,
} from "../streaming/mod.ts";
import { parseStreamOptions } from "./call_options.ts";
import {
  type Answer,
  encodeAnswer,
  errorAnswer,
  type Request,
  statusAnswer,
  textAnswer,
} from "./exchange.ts";
import { checkAccess } from "./access_check.ts";
import { type ServerContext, toUrl } from "./request.ts";
import { toRoute } from "./routes.ts";

/** A connection to be upgraded. */
export interface UpgradeRequest {
  request: Request;
  socket: Socket;
  /** Bytes that arrived together with the request. */
  head: Uint8Array;
}

const UPGRADE_PROTOCOL = "SPDY/3.1";
const REFUSAL_TIMEOUT_MS = 5_000;

/** Serves one connection to its end. Never rejects. */
export async function handleUpgrade(
  upgrade: UpgradeRequest,
  context: ServerContext,
): Promise<void> {
  const { socket } = upgrade;
  // First of all: what the client sends before it has access would be buffered without limit.
  pauseReading(socket);
  // The server has detached this socket: an unhandled error event would end the process.
  socket.on("error", () => socket.destroy());
  try {
    const refusal = await serve(upgrade, context);
    if (refusal) refuse(socket, refusal);
  } catch (error) {
    refuse(
      socket,
      statusAnswer(asAranyaError(error, "Cannot serve connection")),
    );
  }
}

/**
 * Resolves when the connection has ended, or with the answer that refuses it.
 * @throws an error to be answered as a Status
 */
async function serve(
  upgrade: UpgradeRequest,
  context: ServerContext,
): Promise<Answer | undefined> {
  const { request } = upgrade;
  const url = toUrl(request);
  if (!url) return textAnswer(400, "Bad Request");
  const refusal = await checkAccess(request, {
    ...context,
    path: url.pathname,
  });
  if (refusal) return refusal;
  context.onAllowed(request);
  const route = toRoute(request.method ?? "", url.pathname);
  switch (route.kind) {
    case "exec":
    case "attach":
      return await serveCommand(upgrade, {
        kind: route.kind,
        target: route.target,
        query: url.searchParams,
        context,
      });
    case "portForward":
      return await serveForward(upgrade, { target: route.target, context });
    case "methodNotAllowed":
      return textAnswer(405, "405: Method Not Allowed");
    case "unknown":
      return textAnswer(404, "404: Page Not Found");
    default:
      return textAnswer(
        400,
        "Cannot upgrade: this path has no upgrade",
      );
  }
}

async function serveCommand(
  upgrade: UpgradeRequest,
  { kind, target, query, context }: {
    kind: "exec" | "attach";
    target: PodTarget;
    query: URLSearchParams;
    context: ServerContext;
  },
): Promise<Answer | undefined> {
  const { handlers, signal } = context;
  const command = query.getAll("command");
  try {
    const streams = parseStreamOptions(query);
    if (kind === "exec" && command.length === 0) {
      throw new AranyaError("invalid", "Cannot exec: no command is given");
    }
    expectSpdy(upgrade.request);
    const protocol = negotiateProtocol(
      protocolHeader(upgrade.request),
      REMOTE_COMMAND_PROTOCOLS,
    );
    const run = kind === "exec"
      ? await handlers.exec({ ...streams, target, command })
      : await handlers.attach({ ...streams, target });
    signal.throwIfAborted();
    switchProtocols(upgrade.socket, protocol);
    await serveRemoteCommand(upgrade.socket, {
      ...streams,
      protocol,
      head: upgrade.head,
      signal,
      run,
    });
    return undefined;
  } catch (error) {
    return refusalOf(error);
  }
}

async function serveForward(
  upgrade: UpgradeRequest,
  { target, context }: { target: PodTarget; context: ServerContext },
): Promise<Answer | undefined> {
  const { handlers, signal } = context;
  const pod = `${target.namespace}/${target.pod}`;
  try {
    expectSpdy(upgrade.request);
    const protocol = negotiateProtocol(
      protocolHeader(upgrade.request),
      PORT_FORWARD_PROTOCOLS,
    );
    const connect = await handlers.portForward(target);
    signal.throwIfAborted();
    switchProtocols(upgrade.socket, protocol);
    await servePortForward(upgrade.socket, {
      head: upgrade.head,
      signal,
      connect,
      errorPrefix: (port) =>
        `error forwarding port ${port} to pod ${JSON.stringify(pod)}`,
    });
    return undefined;
  } catch (error) {
    return refusalOf(error);
  }
}

/**
 * Returns failed negotiations as plain text, as a kubelet does; everything else as a Status, whose
 * message kubectl shows.
 */
function refusalOf(error: unknown): Answer {
  const failure = asAranyaError(error, "Cannot serve connection");
  return failure.message.startsWith("unable to upgrade")
    ? errorAnswer(failure)
    : statusAnswer(failure);
}

function expectSpdy(request: Request): void {
  const wanted = String(request.headers.upgrade ?? "").toLowerCase();
  if (wanted.includes(UPGRADE_PROTOCOL.toLowerCase())) return;
  throw new AranyaError(
    "invalid",
    `unable to upgrade: protocol ${
      JSON.stringify(request.headers.upgrade ?? "")
    } is not served, expected ${UPGRADE_PROTOCOL}`,
  );
}

function protocolHeader(request: Request): string | undefined {
  const value = request.headers["x-stream-protocol-version"];
  return Array.isArray(value) ? value.join(",") : value;
}

function switchProtocols(socket: Socket, protocol: string): void {
  if (socket.destroyed) {
    throw new AranyaError("cancelled", "Cannot upgrade: the client has left");
  }
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\n" +
      "Connection: Upgrade\r\n" +
      `Upgrade: ${UPGRADE_PROTOCOL}\r\n` +
      `X-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
}

/** Sends the answer and closes the socket, after 5 s even when the client doesn't read. */
function refuse(socket: Socket, answer: Answer): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), REFUSAL_TIMEOUT_MS);
  socket.on("close", () => clearTimeout(timer));
  socket.on("end", () => socket.destroy());
  // What the client still sends is dropped.
  socket.on("data", () => {});
  resumeReading(socket);
  socket.end(encodeAnswer(answer));
}

// SPDX-License-Identifier: Apache-2.0
/** A gRPC server with two corrections of grpc-js 1.14 that the library has no option for. */
import { Server, type ServerOptions } from "@grpc/grpc-js";

/** Private method of the library that handles one HTTP/2 stream. */
const STREAM_HANDLER = "_streamHandler";
/** Private method of the library that creates the HTTP/2 server. */
const HTTP2_FACTORY = "createHttp2Server";

/** Options of {@linkcode createGuardedServer}. */
export interface GuardedServerOptions {
  /** Receives what a request made the library throw. */
  onError: (error: unknown) => void;
  /** Flow-control window of each call and of its connection, in bytes. */
  windowBytes: number;
}

/**
 * Creates a gRPC server that no request can crash, with larger flow-control windows.
 *
 * grpc-js answers a request that is not gRPC, or asks for another method, without checking that its
 * stream is still open. When the peer has already reset it, that throws out of an event listener,
 * where it can't be caught: one unauthenticated client would end the operator. The library's
 * handler is therefore replaced by one that catches. And it lets a client choose its HTTP/2
 * windows, but not a server.
 * @throws {TypeError} when the library has no such private methods
 */
export function createGuardedServer(
  options: ServerOptions,
  { onError, windowBytes }: GuardedServerOptions,
): Server {
  const server = new Server(options);
  const handleStream = getMethod(server, STREAM_HANDLER);
  const createHttp2 = getMethod(server, HTTP2_FACTORY);
  Object.defineProperty(server, HTTP2_FACTORY, {
    value: (...parameters: unknown[]) => {
      const http2 = createHttp2.apply(server, parameters) as Http2Server;
      http2.on("session", (session) => setWindows(session, windowBytes));
      return http2;
    },
  });
  Object.defineProperty(server, STREAM_HANDLER, {
    value: (...parameters: unknown[]) => {
      try {
        handleStream.apply(server, parameters);
      } catch (error) {
        onError(error);
      }
    },
  });
  return server;
}

type Method = (...parameters: unknown[]) => unknown;

/** The part of node:http2's server that is used here. */
interface Http2Server {
  on(event: "session", listener: (session: Http2Session) => void): unknown;
}

interface Http2Session {
  settings(settings: { initialWindowSize: number }): void;
  setLocalWindowSize(byteCount: number): void;
}

function getMethod(server: Server, name: string): Method {
  const method: unknown = Reflect.get(server, name);
  if (typeof method === "function") return method as Method;
  throw new TypeError(
    `Cannot guard gRPC server: the library has no method "${name}"`,
  );
}

function setWindows(session: Http2Session, windowBytes: number): void {
  session.settings({ initialWindowSize: windowBytes });
  session.setLocalWindowSize(windowBytes);
}

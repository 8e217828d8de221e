// SPDX-License-Identifier: Apache-2.0
/**
 * A gRPC server that no request can end. grpc-js 1.14 answers requests that are no gRPC, or ask for another method, without looking
 * whether their stream still lives; when the peer has reset it already, that throws out of an event where nobody catches, and one
 * stranger would end the whole operator. The library has no hook for it: its handler of streams is wrapped where it stands.
 *
 * The same with HTTP/2's windows: the library lets a client choose them, a server not.
 */
import { Server, type ServerOptions } from "@grpc/grpc-js";

const HANDLER = "_streamHandler";
const MAKER = "createHttp2Server";

/** Options of {@linkcode createGuardedServer}. */
export interface GuardedServerOptions {
  /** Told what a request made the library throw. */
  onError: (error: unknown) => void;
  /** How much a client may send ahead, on a call and on its connection. */
  windowBytes: number;
}

/** Makes the server. */
export function createGuardedServer(
  options: ServerOptions,
  { onError, windowBytes }: GuardedServerOptions,
): Server {
  const server = new Server(options);
  const handler = mustMethod(server, HANDLER);
  const maker = mustMethod(server, MAKER);
  Object.defineProperty(server, MAKER, {
    value: (...parameters: unknown[]) => {
      const http2 = maker.apply(server, parameters) as SessionSource;
      http2.on("session", (session) => widen(session, windowBytes));
      return http2;
    },
  });
  Object.defineProperty(server, HANDLER, {
    value: (...parameters: unknown[]) => {
      try {
        handler.apply(server, parameters);
      } catch (error) {
        onError(error);
      }
    },
  });
  return server;
}

type Method = (...parameters: unknown[]) => unknown;

/** What is used of node:http2's server and its sessions. */
interface SessionSource {
  on(event: "session", listener: (session: Session) => void): unknown;
}

interface Session {
  settings(settings: { initialWindowSize: number }): void;
  setLocalWindowSize(byteCount: number): void;
}

function mustMethod(server: Server, name: string): Method {
  const method: unknown = Reflect.get(server, name);
  if (typeof method === "function") return method as Method;
  throw new TypeError(
    `Cannot guard gRPC server: the library has no "${name}" any more`,
  );
}

function widen(session: Session, windowBytes: number): void {
  session.settings({ initialWindowSize: windowBytes });
  session.setLocalWindowSize(windowBytes);
}

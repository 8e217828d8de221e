// SPDX-License-Identifier: Apache-2.0
/**
 * A gRPC server that no request can end. grpc-js 1.14 answers requests that are no gRPC, or ask for another method, without looking
 * whether their stream still lives; when the peer has reset it already, that throws out of an event where nobody catches, and one
 * stranger would end the whole operator. The library has no hook for it: its handler of streams is wrapped where it stands.
 */
import { Server, type ServerOptions } from "@grpc/grpc-js";

const HANDLER = "_streamHandler";

/** Makes the server; `onError` is told what a request made the library throw. */
export function createGuardedServer(
  options: ServerOptions,
  { onError }: { onError: (error: unknown) => void },
): Server {
  const server = new Server(options);
  const handler: unknown = Reflect.get(server, HANDLER);
  if (typeof handler !== "function") {
    throw new TypeError(
      `Cannot guard gRPC server: the library has no "${HANDLER}" any more`,
    );
  }
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

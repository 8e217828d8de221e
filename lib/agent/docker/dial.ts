// SPDX-License-Identifier: Apache-2.0
/** From a Docker host's address to a connection. */
import { AranyaError } from "../../shared/base/mod.ts";
import { fromDialError } from "./errors.ts";
import { HttpConnection } from "./http.ts";

const DEFAULT_TCP_PORT = 2375;
const DIAL_TIMEOUT_MS = 10_000;

/** Where an engine listens. */
export type DockerAddress =
  | { transport: "unix"; path: string }
  | { transport: "tcp"; hostname: string; port: number };

/** Reads an address as DOCKER_HOST has it. @throws {AranyaError} code "invalid" */
export function parseDockerHost(host: string): DockerAddress {
  const unix = host.match(/^unix:\/\/(\/.+)$/)?.[1];
  if (unix !== undefined) return { transport: "unix", path: unix };
  const tcp = host.match(
    /^tcp:\/\/(?:\[([0-9a-fA-F:.]+)\]|([^\s:/\[\]]+))(?::(\d{1,5}))?\/?$/,
  );
  const hostname = tcp?.[1] ?? tcp?.[2];
  const port = tcp?.[3] === undefined ? DEFAULT_TCP_PORT : Number(tcp[3]);
  if (hostname !== undefined && port > 0 && port < 65_536) {
    return { transport: "tcp", hostname, port };
  }
  throw new AranyaError(
    "invalid",
    `Cannot use Docker host "${host}": it is no address of an engine, expected unix:///path or tcp://host:port`,
  );
}

/** What dials that engine. @throws {AranyaError} code "invalid" for an address it can't read */
export function dialerOf(host: string): () => Promise<HttpConnection> {
  const address = parseDockerHost(host);
  return async () => {
    try {
      if (address.transport === "unix") {
        return new HttpConnection(await Deno.connect(address));
      }
      const conn = await Deno.connect({
        hostname: address.hostname,
        port: address.port,
        signal: AbortSignal.timeout(DIAL_TIMEOUT_MS),
      });
      conn.setNoDelay();
      return new HttpConnection(conn);
    } catch (error) {
      throw fromDialError(error, host);
    }
  };
}

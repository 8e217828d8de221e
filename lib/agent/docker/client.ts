// SPDX-License-Identifier: Apache-2.0
/** The contract of a client of the Docker Engine API. */

/**
 * Client of one engine. Calls may run concurrently. Every error is an AranyaError, with code
 * "unavailable" when the engine can't be reached, except for a signal's reason, which is thrown as
 * it is.
 */
export interface DockerClient extends AsyncDisposable {
  /** Address of the engine, e.g. "unix:///var/run/docker.sock". */
  readonly host: string;
  /** Sends a request and returns the JSON of the response; undefined when its body is empty. */
  request<T>(call: DockerCall): Promise<T>;
  /**
   * Sends a request and returns the bytes of the response's body as they arrive. Leaving the loop
   * or aborting the signal closes the connection.
   */
  stream(call: DockerCall): Promise<AsyncIterable<Uint8Array>>;
  /**
   * Sends a request and turns its connection into raw bytes in both directions (exec, attach;
   * Engine API, "Hijacking"). The caller closes the result.
   */
  hijack(call: DockerCall): Promise<DockerSocket>;
}

/** One request to the engine. */
export interface DockerCall {
  method: "GET" | "POST" | "DELETE" | "PUT";
  /** Path without the version, e.g. "/containers/json". */
  path: string;
  /** Parameters that are undefined are left out. */
  query?: Record<string, string | number | boolean | undefined>;
  /** Sent as JSON; a Uint8Array is sent unchanged, as a tar archive. */
  body?: unknown;
  headers?: Record<string, string>;
  /** `Cannot <verb> <object>`, for errors. */
  action: string;
  /**
   * Upper bound in milliseconds: of the whole exchange for `request`, of the time until the
   * response's head for `stream` and `hijack`. @default 60000
   */
  timeoutMs?: number;
  /** Closes the connection; pending reads and writes then throw its reason. */
  signal?: AbortSignal | undefined;
}

/** A hijacked connection. */
export interface DockerSocket {
  /** Bytes that the engine sends; for one reader. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Resolves when the kernel has taken the whole chunk. */
  write(chunk: Uint8Array): Promise<void>;
  /** Half-closes the connection: the process reads the end of its stdin. */
  endInput(): Promise<void>;
  /** Closes both directions. May be called twice. */
  close(): void;
}

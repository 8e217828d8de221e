// SPDX-License-Identifier: Apache-2.0
/** A Docker client with scripted responses. */
import type {
  DockerCall,
  DockerClient,
  DockerSocket,
} from "../../../../lib/agent/docker/mod.ts";

/** Options of {@linkcode FakeDockerClient}. */
export interface FakeDockerClientOptions {
  /** Returns the JSON of the response to a call; throws to let the call fail. */
  respond?: (call: DockerCall) => unknown;
  /** Returns the bytes of the response to a streamed call. */
  stream?: (call: DockerCall) => AsyncIterable<Uint8Array>;
}

/** Records calls and returns the responses of its options. */
export class FakeDockerClient implements DockerClient {
  readonly host = "unix:///fake/docker.sock";
  /** "METHOD path" of each call, in order. */
  readonly calls: string[] = [];
  readonly #options: FakeDockerClientOptions;

  constructor(options: FakeDockerClientOptions) {
    this.#options = options;
  }

  async request<T>(call: DockerCall): Promise<T> {
    this.#record(call);
    await Promise.resolve();
    if (!this.#options.respond) throw new Error("Cannot respond: no response");
    return this.#options.respond(call) as T;
  }

  async stream(call: DockerCall): Promise<AsyncIterable<Uint8Array>> {
    this.#record(call);
    await Promise.resolve();
    if (!this.#options.stream) throw new Error("Cannot stream: no response");
    return this.#options.stream(call);
  }

  hijack(): Promise<DockerSocket> {
    return Promise.reject(new Error("Cannot hijack: not supported"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #record({ method, path }: DockerCall): void {
    this.calls.push(`${method} ${path}`);
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Calls of the pod controllers of all devices to the API server. */
import { CallLimiter } from "../../shared/base/mod.ts";
import type {
  CallOptions,
  DeleteOptions,
  KubeClient,
  KubeObject,
  ObjectRef,
  ObjectType,
  PatchOptions,
  RawCall,
} from "../kube/mod.ts";

/**
 * Half of the connections that calls other than Leases and watches have, so that pods never delay
 * Nodes and Events.
 */
const CONCURRENCY = 12;

/**
 * Bounds the calls of all pod controllers together. When a new leader starts to serve thousands of
 * devices, their calls wait here, where no deadline runs, and not for a connection. Reads and
 * writes of pods go before requests of tokens.
 */
export class PodClient {
  readonly #client: Pick<KubeClient, "find" | "patch" | "delete" | "request">;
  readonly #limiter = new CallLimiter({ concurrency: CONCURRENCY });

  constructor(
    client: Pick<KubeClient, "find" | "patch" | "delete" | "request">,
  ) {
    this.#client = client;
  }

  /** As the method of `KubeClient`. */
  find<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    return this.#runFirst(
      () => this.#client.find(type, ref, options),
      options.signal,
    );
  }

  /** As the method of `KubeClient`. */
  patch<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: PatchOptions,
  ): Promise<T> {
    return this.#runFirst(
      () => this.#client.patch(type, ref, options),
      options.signal,
    );
  }

  /** As the method of `KubeClient`. */
  delete<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ): Promise<boolean> {
    return this.#runFirst(
      () => this.#client.delete(type, ref, options),
      options.signal,
    );
  }

  /** As the method of `KubeClient`; waits for calls of the other methods. */
  request(call: RawCall): Promise<unknown> {
    return this.#limiter.run(() => this.#client.request(call), {
      signal: call.signal,
    });
  }

  #runFirst<T>(
    call: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return this.#limiter.run(call, { priority: "high", signal });
  }
}

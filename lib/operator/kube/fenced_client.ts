// SPDX-License-Identifier: Apache-2.0
/** A client that only writes while this process is sure to lead. */
import {
  abortable,
  AranyaError,
  onAbort,
  whenAborted,
} from "../../shared/base/mod.ts";
import type {
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ObjectRef,
  PatchOptions,
  RawCall,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./api.ts";
import { describeCall, type ObjectType } from "./kinds.ts";
import type { Leadership } from "./lease.ts";
import type { KubeList, KubeObject } from "./objects.ts";

/** The part of a leadership that {@linkcode FencedClient} obeys. */
export type WriteFence = Pick<
  Leadership,
  "isSuspended" | "onSuspensionChange" | "lost"
>;

/**
 * A client that obeys a leadership.
 *
 * - While it is suspended, calls wait: an outage of the API server makes no errors and no retries.
 *   List, watch and version continue.
 * - A write that was waiting, or was under way when the suspension began, then fails with
 *   "unavailable": what it would have written may be outdated, so the caller has to sync again.
 * - Once leadership is lost, or the client is disposed, every write fails at once.
 *
 * Disposing it does not close the client below.
 */
export class FencedClient implements KubeClient {
  readonly #client: KubeClient;
  readonly #fence: WriteFence;
  readonly #unsubscribe: () => void;
  readonly #closed = new AbortController();
  /** Aborted when writing has to stop; replaced when it may go on. */
  #writing = new AbortController();
  /** Aborted when a suspension ends; undefined when there is none. */
  #suspension: AbortController | undefined;

  constructor(client: KubeClient, fence: WriteFence) {
    this.#client = client;
    this.#fence = fence;
    this.#unsubscribe = fence.onSuspensionChange((isSuspended) => {
      if (isSuspended) this.#suspend();
      else this.#resume();
    });
    onAbort(fence.lost, () => this.#close());
  }

  get server(): string {
    return this.#client.server;
  }

  get namespace(): string | undefined {
    return this.#client.namespace;
  }

  async get<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: CallOptions = {},
  ): Promise<T> {
    await this.#wait(describeCall("get", { type, ref }), options.signal);
    return await this.#client.get(type, ref, options);
  }

  async find<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    await this.#wait(describeCall("get", { type, ref }), options.signal);
    return await this.#client.find(type, ref, options);
  }

  list<T extends KubeObject>(
    type: ObjectType<T>,
    options?: ListOptions,
  ): Promise<KubeList<T>> {
    return this.#client.list(type, options);
  }

  watch<T extends KubeObject>(
    type: ObjectType<T>,
    options: WatchOptions,
  ): AsyncIterable<WatchEvent<T>> {
    return this.#client.watch(type, options);
  }

  version(options?: CallOptions): Promise<{ gitVersion: string }> {
    return this.#client.version(options);
  }

  create<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options: CallOptions = {},
  ): Promise<T> {
    const action = describeCall("create", { type, ref: object.metadata });
    return this.#write(
      { ...options, action },
      (signal) => this.#client.create(type, object, { ...options, signal }),
    );
  }

  replace<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    const action = describeCall("update", { type, ref: object.metadata });
    return this.#write(
      { ...options, action },
      (signal) => this.#client.replace(type, object, { ...options, signal }),
    );
  }

  patch<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: PatchOptions,
  ): Promise<T> {
    const action = describeCall("patch", { type, ref });
    return this.#write(
      { ...options, action },
      (signal) => this.#client.patch(type, ref, { ...options, signal }),
    );
  }

  delete<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ): Promise<boolean> {
    const action = describeCall("delete", { type, ref });
    return this.#write(
      { ...options, action },
      (signal) => this.#client.delete(type, ref, { ...options, signal }),
    );
  }

  async request(call: RawCall): Promise<unknown> {
    if (call.method === "GET") {
      await this.#wait(call.action, call.signal);
      return await this.#client.request(call);
    }
    return await this.#write(
      call,
      (signal) => this.#client.request({ ...call, signal }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    return Promise.resolve();
  }

  /** Resolves when writing is not suspended. Returns whether it had to wait. */
  async #wait(
    action: string,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    let hasWaited = false;
    while (!this.#closed.signal.aborted && this.#fence.isSuspended) {
      hasWaited = true;
      // Its timer may be late.
      this.#suspension ??= new AbortController();
      const resumed = whenAborted(this.#suspension.signal);
      await abortable(resumed, signal);
    }
    if (this.#closed.signal.aborted) {
      throw unavailable(action, "this operator no longer leads");
    }
    return hasWaited;
  }

  async #write<T>(
    { action, signal }: { action: string; signal?: AbortSignal | undefined },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    if (await this.#wait(action, signal)) {
      throw unavailable(action, "leadership was suspended meanwhile");
    }
    const controller = new AbortController();
    using _caller = onAbort(signal, (reason) => controller.abort(reason));
    using _fence = onAbort(
      this.#writing.signal,
      () => controller.abort(unavailable(action, "leadership was suspended")),
    );
    return await work(controller.signal);
  }

  #suspend(): void {
    this.#suspension ??= new AbortController();
    this.#writing.abort();
  }

  #resume(): void {
    this.#writing = new AbortController();
    this.#suspension?.abort();
    this.#suspension = undefined;
  }

  #close(): void {
    this.#unsubscribe();
    this.#closed.abort();
    this.#writing.abort();
    this.#suspension?.abort();
  }
}

function unavailable(action: string, state: string): AranyaError {
  return new AranyaError("unavailable", `Cannot ${action}: ${state}`);
}

// SPDX-License-Identifier: Apache-2.0
/** What a device has said about its pods, and the four commands that change them. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  decodeMessage,
  encodeMessage,
  Method,
  type PodSpec,
  PodSpecSchema,
  type PodStatus,
  type PodStatusList,
  PodStatusListSchema,
  PurgePodSchema,
  RemovePodSchema,
} from "../../shared/wire/mod.ts";
import type { PodSettings } from "./device_state.ts";

const MAX_FORGOTTEN = 1024;

/** See the file's first lines. */
export class PodDevice {
  readonly #session: Pick<Session, "request">;
  readonly #settings: Pick<PodSettings, "requestTimeoutMs">;
  /** The device's last word by UID. */
  readonly #known = new Map<string, PodStatus>();
  /** Hash of what was sent since the last hello and taken, by UID. */
  readonly #applied = new Map<string, string>();
  /** Grace of removals asked for since the last hello, by UID. */
  readonly #removals = new Map<string, number>();

  /**
   * UIDs that were forgotten since the last hello: a report that was on its way then says nothing
   * new.
   */
  readonly #forgotten = new Set<string>();

  constructor(
    session: Pick<Session, "request">,
    settings: Pick<PodSettings, "requestTimeoutMs">,
  ) {
    this.#session = session;
    this.#settings = settings;
  }

  /** The device's last word; undefined: it doesn't have the pod, as far as it has told. */
  find(uid: string): PodStatus | undefined {
    return this.#known.get(uid);
  }

  /** Pods of this name: more than one while a former one ends. */
  named(podKey: string): PodStatus[] {
    return [...this.#known.values()].filter((pod) =>
      keyOfRemote(pod) === podKey
    );
  }

  /** Keys of all pods the device has told of. */
  keys(): string[] {
    return [...new Set([...this.#known.values()].map(keyOfRemote))];
  }

  /** Whether this pod was sent since the last hello and taken. */
  hasTaken(uid: string): boolean {
    return this.#applied.has(uid);
  }

  /** Hash of what the device has: what it took last, even if its report is still under way. */
  hashOf(uid: string): string | undefined {
    return this.#applied.get(uid) ?? this.#known.get(uid)?.specHash;
  }

  /** A new hello: what was asked for before may not have arrived. */
  restart(): void {
    this.#applied.clear();
    this.#removals.clear();
    this.#forgotten.clear();
  }

  /**
   * Takes a report in; words older than what is known are dropped.
   * @returns the keys that it is about
   */
  learn(list: PodStatusList): string[] {
    return list.pods.flatMap((pod) => {
      if (this.#forgotten.has(pod.uid)) return [];
      const known = this.#known.get(pod.uid);
      if (known && known.version > pod.version) return [];
      this.#known.set(pod.uid, pod);
      return [keyOfRemote(pod)];
    });
  }

  /**
   * Asks for all pods; those that aren't in the answer are forgotten.
   * @returns keys of what was or is there
   */
  async list(signal: AbortSignal): Promise<string[]> {
    const before = this.keys();
    const reply = await this.#request(Method.LIST_PODS, {
      payload: new Uint8Array(),
      signal,
    });
    const list = decodeMessage(PodStatusListSchema, reply);
    const present = new Set(list.pods.map(({ uid }) => uid));
    for (const uid of [...this.#known.keys()]) {
      if (!present.has(uid)) this.#known.delete(uid);
    }
    // What it took but doesn't list is sent again: at worst twice.
    for (const uid of [...this.#applied.keys()]) {
      if (!present.has(uid)) this.#applied.delete(uid);
    }
    // The whole list is the truth, also when an agent lost its state and counts from the beginning.
    for (const pod of list.pods) this.#known.set(pod.uid, pod);
    return [...new Set([...before, ...this.keys()])];
  }

  async apply(spec: PodSpec, signal: AbortSignal): Promise<void> {
    this.#removals.delete(spec.uid);
    this.#forgotten.delete(spec.uid);
    const payload = encodeMessage(PodSpecSchema, spec);
    await this.#request(Method.APPLY_POD, { payload, signal });
    this.#applied.set(spec.uid, spec.specHash);
  }

  /**
   * Asks for the removal, once for each grace that is smaller than before.
   * @returns false when the device doesn't know the pod
   */
  async remove(
    uid: string,
    { graceSeconds, signal }: { graceSeconds: number; signal: AbortSignal },
  ): Promise<boolean> {
    const asked = this.#removals.get(uid);
    if (asked !== undefined && asked <= graceSeconds) return true;
    const payload = encodeMessage(RemovePodSchema, {
      uid,
      graceSeconds: BigInt(graceSeconds),
    });
    const found = await this.#unlessUnknown(Method.REMOVE_POD, {
      payload,
      signal,
    });
    if (found) this.#removals.set(uid, graceSeconds);
    else this.#drop(uid);
    return found;
  }

  /** Has the device drop what is left of a pod whose object is gone. */
  async forget(uid: string, signal: AbortSignal): Promise<void> {
    const payload = encodeMessage(PurgePodSchema, { uid });
    await this.#unlessUnknown(Method.PURGE_POD, { payload, signal });
    this.#drop(uid);
    this.#forgotten.add(uid);
    for (const oldest of this.#forgotten) {
      if (this.#forgotten.size <= MAX_FORGOTTEN) break;
      this.#forgotten.delete(oldest);
    }
  }

  #drop(uid: string): void {
    this.#known.delete(uid);
    this.#applied.delete(uid);
    this.#removals.delete(uid);
  }

  async #unlessUnknown(
    method: Method,
    call: { payload: Uint8Array; signal: AbortSignal },
  ): Promise<boolean> {
    try {
      await this.#request(method, call);
      return true;
    } catch (error) {
      if (error instanceof AranyaError && error.code === "not_found") {
        return false;
      }
      throw error;
    }
  }

  #request(
    method: Method,
    { payload, signal }: { payload: Uint8Array; signal: AbortSignal },
  ): Promise<Uint8Array> {
    return this.#session.request(method, payload, {
      timeoutMs: this.#settings.requestTimeoutMs,
      signal,
    });
  }
}

function keyOfRemote({ namespace, name }: PodStatus): string {
  return `${namespace}/${name}`;
}

// SPDX-License-Identifier: Apache-2.0
/** All Pods and Events of a namespace, observed through `kubectl get --watch`. */
import type { Kubectl, RunningKubectl } from "../world/mod.ts";
import { readJsonLines } from "./json_lines.ts";
import type { ObservedEvent, ObservedPod } from "./observed_objects.ts";

interface WatchEvent<T> {
  type: "ADDED" | "MODIFIED" | "DELETED" | "ERROR";
  object: T;
}

/** What was observed of one pod. */
export class ParityObservation {
  /** Every version of the object, in order. */
  readonly versions: ObservedPod[] = [];
  /** Events about the pod, in order of creation; the latest version of each. */
  readonly events = new Map<string, ObservedEvent>();
  /** When the object was deleted, in ms of the monotonic clock. */
  deletedAtMs: number | undefined;
  /** When anything was last observed, in ms of the monotonic clock. */
  changedAtMs: number = performance.now();

  /** The latest version. */
  get pod(): ObservedPod | undefined {
    return this.versions.at(-1);
  }
}

/** A running watch. */
export class NamespaceWatch implements AsyncDisposable {
  readonly #pods = new Map<string, ParityObservation>();
  readonly #children: RunningKubectl[];
  readonly #readers: Promise<void>[];

  private constructor(kubectl: Kubectl, namespace: string) {
    const start = (kind: string) =>
      kubectl.start([
        ...["get", kind, "--namespace", namespace, "--watch"],
        ...["--output-watch-events", "--output=json"],
      ]);
    const pods = start("pods");
    const events = start("events");
    this.#children = [pods, events];
    this.#readers = [
      this.#readPods(pods.child.stdout),
      this.#readEvents(events.child.stdout),
      pods.child.stderr.pipeTo(new WritableStream()),
      events.child.stderr.pipeTo(new WritableStream()),
    ];
  }

  /** Starts both watches of a namespace. */
  static start(kubectl: Kubectl, namespace: string): NamespaceWatch {
    return new NamespaceWatch(kubectl, namespace);
  }

  /** Returns the observation of the pod of this name, empty before its first version. */
  observe(name: string): ParityObservation {
    const found = this.#pods.get(name) ?? new ParityObservation();
    this.#pods.set(name, found);
    return found;
  }

  async #readPods(stream: ReadableStream<Uint8Array>): Promise<void> {
    type Change = WatchEvent<ObservedPod>;
    for await (const { type, object } of readJsonLines<Change>(stream)) {
      // An ERROR has a Status; a long list at the start comes as one object.
      if (object.metadata.name === undefined) continue;
      const observation = this.observe(object.metadata.name);
      observation.changedAtMs = performance.now();
      if (type === "DELETED") observation.deletedAtMs = performance.now();
      observation.versions.push(object);
    }
  }

  async #readEvents(stream: ReadableStream<Uint8Array>): Promise<void> {
    type Change = WatchEvent<ObservedEvent>;
    for await (const { type, object } of readJsonLines<Change>(stream)) {
      const name = object.involvedObject?.name;
      if (type === "DELETED" || name === undefined) continue;
      const observation = this.observe(name);
      observation.changedAtMs = performance.now();
      observation.events.set(object.metadata.name, object);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) await child[Symbol.asyncDispose]();
    await Promise.allSettled(this.#readers);
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Which pods have to be synced when a pod, or an object that pods refer to, changes. */
import { type Clock, SYSTEM_CLOCK } from "../../shared/base/mod.ts";

/** Enqueues a pod's key to be synced, at once or after a delay in milliseconds. */
export type EnqueuePod = (
  podKey: string,
  options?: { afterMs?: number },
) => void;

/** Receives changes that concern the pods of one node. */
export interface PodSubscriber {
  enqueue: EnqueuePod;
  /** Called when a namespace has become ready, or can't be read: see `PodSources.stateOf`. */
  onStateChanged?(): void;
}

/** One node's subscription to changes. */
export interface PodSubscription {
  /**
   * Sets the objects that a pod's translation depends on, by `refKey`, in place of earlier ones.
   * An empty list removes the pod.
   */
  setRefs(podKey: string, refs: Iterable<string>): void;
  /** Ends the subscription: nothing is enqueued any more. */
  close(): void;
}

interface Subscriber extends PodSubscriber {
  /** By pod key. */
  pods: Map<string, ReferringPod>;
}

interface ReferringPod {
  refs: ReadonlySet<string>;
  /** Where in an interval the pod is enqueued in turn; 0 to 1. */
  phase: number;
}

/** Options of {@linkcode PodSubscriptions}. */
export interface PodSubscriptionsOptions {
  /** @default the machine's */
  clock?: Pick<Clock, "monotonicMs">;
  /** Returns numbers from 0 to 1. @default Math.random */
  random?: () => number;
}

/** Subscriptions of all nodes, indexed by node and by reference. */
export class PodSubscriptions {
  readonly #byNode = new Map<string, Set<Subscriber>>();
  /** Pod keys by reference and subscriber. */
  readonly #byRef = new Map<string, Map<Subscriber, Set<string>>>();
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #random: () => number;

  constructor(options: PodSubscriptionsOptions = {}) {
    const { clock = SYSTEM_CLOCK, random = Math.random } = options;
    this.#clock = clock;
    this.#random = random;
  }

  /** Adds a subscription for the pods of a node. */
  add(
    node: string,
    { enqueue, onStateChanged = () => {} }: PodSubscriber,
  ): PodSubscription {
    const subscriber = { enqueue, onStateChanged, pods: new Map() };
    const subscribers = this.#byNode.get(node) ?? new Set();
    subscribers.add(subscriber);
    this.#byNode.set(node, subscribers);
    return {
      setRefs: (podKey, refs) => this.#setRefs(subscriber, { podKey, refs }),
      close: () => {
        for (const podKey of [...subscriber.pods.keys()]) {
          this.#setRefs(subscriber, { podKey, refs: [] });
        }
        subscribers.delete(subscriber);
        if (subscribers.size === 0) this.#byNode.delete(node);
      },
    };
  }

  /** Enqueues a changed pod for the subscribers of its node. */
  enqueuePod(node: string | undefined, podKey: string): void {
    for (const { enqueue } of this.#byNode.get(node ?? "") ?? []) {
      enqueue(podKey);
    }
  }

  /** Notifies all subscribers that the state of a namespace has changed. */
  notifyStateChanged(): void {
    for (const subscribers of [...this.#byNode.values()]) {
      for (const { onStateChanged } of subscribers) onStateChanged?.();
    }
  }

  /** Enqueues all pods that depend on a changed object. */
  enqueueDependents(ref: string): void {
    for (const [{ enqueue }, podKeys] of this.#byRef.get(ref) ?? []) {
      for (const podKey of podKeys) enqueue(podKey);
    }
  }

  /**
   * Enqueues all pods that depend on a changed object within an interval, each at its own time: no
   * more often than once per interval, and not all together.
   */
  enqueueInTurn(ref: string, { intervalMs }: { intervalMs: number }): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [{ enqueue, pods }, podKeys] of this.#byRef.get(ref) ?? []) {
      for (const podKey of podKeys) {
        const phaseMs = intervalMs * (pods.get(podKey)?.phase ?? 0);
        const sinceMs = (nowMs - phaseMs) % intervalMs;
        const afterMs = sinceMs < 0 ? -sinceMs : intervalMs - sinceMs;
        enqueue(podKey, { afterMs });
      }
    }
  }

  #setRefs(
    subscriber: Subscriber,
    { podKey, refs }: { podKey: string; refs: Iterable<string> },
  ): void {
    const desired = new Set(refs);
    const known = subscriber.pods.get(podKey);
    const present = known?.refs ?? new Set();
    for (const ref of present) {
      if (!desired.has(ref)) this.#removeRef(subscriber, { podKey, ref });
    }
    for (const ref of desired) {
      if (!present.has(ref)) this.#addRef(subscriber, { podKey, ref });
    }
    if (desired.size > 0) {
      const phase = known?.phase ?? this.#random();
      subscriber.pods.set(podKey, { refs: desired, phase });
    } else subscriber.pods.delete(podKey);
  }

  #addRef(
    subscriber: Subscriber,
    { podKey, ref }: { podKey: string; ref: string },
  ): void {
    const subscribers = this.#byRef.get(ref) ??
      new Map<Subscriber, Set<string>>();
    const podKeys = subscribers.get(subscriber) ?? new Set();
    podKeys.add(podKey);
    subscribers.set(subscriber, podKeys);
    this.#byRef.set(ref, subscribers);
  }

  #removeRef(
    subscriber: Subscriber,
    { podKey, ref }: { podKey: string; ref: string },
  ): void {
    const subscribers = this.#byRef.get(ref);
    const podKeys = subscribers?.get(subscriber);
    podKeys?.delete(podKey);
    if (podKeys?.size === 0) subscribers?.delete(subscriber);
    if (subscribers?.size === 0) this.#byRef.delete(ref);
  }
}

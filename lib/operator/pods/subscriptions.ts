// SPDX-License-Identifier: Apache-2.0
/** Which pods have to be synced when a pod, or an object that pods refer to, changes. */

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
  /** References by pod key. */
  refs: Map<string, ReadonlySet<string>>;
}

/** Subscriptions of all nodes, indexed by node and by reference. */
export class PodSubscriptions {
  readonly #byNode = new Map<string, Set<Subscriber>>();
  /** Pod keys by reference and subscriber. */
  readonly #byRef = new Map<string, Map<Subscriber, Set<string>>>();

  /** Adds a subscription for the pods of a node. */
  add(
    node: string,
    { enqueue, onStateChanged = () => {} }: PodSubscriber,
  ): PodSubscription {
    const subscriber = { enqueue, onStateChanged, refs: new Map() };
    const subscribers = this.#byNode.get(node) ?? new Set();
    subscribers.add(subscriber);
    this.#byNode.set(node, subscribers);
    return {
      setRefs: (podKey, refs) => this.#setRefs(subscriber, { podKey, refs }),
      close: () => {
        for (const podKey of [...subscriber.refs.keys()]) {
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
  enqueueDependents(ref: string, options: { afterMs: number }): void {
    for (const [{ enqueue }, podKeys] of this.#byRef.get(ref) ?? []) {
      for (const podKey of podKeys) enqueue(podKey, options);
    }
  }

  #setRefs(
    subscriber: Subscriber,
    { podKey, refs }: { podKey: string; refs: Iterable<string> },
  ): void {
    const desired = new Set(refs);
    const present = subscriber.refs.get(podKey) ?? new Set();
    for (const ref of present) {
      if (!desired.has(ref)) this.#removeRef(subscriber, { podKey, ref });
    }
    for (const ref of desired) {
      if (!present.has(ref)) this.#addRef(subscriber, { podKey, ref });
    }
    if (desired.size > 0) subscriber.refs.set(podKey, desired);
    else subscriber.refs.delete(podKey);
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

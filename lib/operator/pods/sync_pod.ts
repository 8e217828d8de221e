// SPDX-License-Identifier: Apache-2.0
/**
 * One look at one pod name: what the API server wants there, what the device has there, and the
 * next step from the one to the other. Level-based: it may be called at any time, any number of
 * times, and does nothing when all is right.
 */
import {
  AranyaError,
  type Clock,
  type KeyedQueue,
} from "../../shared/base/mod.ts";
import {
  type EventRecorder,
  fromKey,
  keyOf,
  type KubeClient,
  POD,
  type Pod,
} from "../kube/mod.ts";
import {
  findUnsupportedFields,
  isTerminal,
  type PodLookups,
  type PodStatusInput,
  toGraceSeconds,
  toPodSpec,
  toStatusPatch,
  type TranslatedPod,
} from "../podspec/mod.ts";
import type { PodStatus } from "../../shared/wire/mod.ts";
import type { PodDevice } from "./device_pods.ts";
import type { PodConnection } from "./connection.ts";
import type { PodNode, PodSettings } from "./device_state.ts";
import type { PodSources, PodSubscription } from "./sources.ts";
import type { PodTokens } from "./tokens.ts";

/** Options of {@linkcode PodSyncer}. */
export interface PodSyncerOptions {
  node: PodNode;
  settings: PodSettings;
  client: KubeClient;
  sources: PodSources;
  /** The node's place among the sources' subscribers. */
  subscription: PodSubscription;
  events: EventRecorder;
  device: PodDevice;
  tokens: PodTokens;
  connection: PodConnection;
  /** Holds keys of pods to be synced. */
  queue: Pick<KeyedQueue, "add">;
  clock: Clock;
}

const DEFAULT_GRACE_SECONDS = 30;
const RECHECK_MS = 2000;
const UNSERVED_RECHECK_MS = 600_000;

/** See the file's first lines. */
export class PodSyncer {
  readonly #options: PodSyncerOptions;
  /** Grace of pods that we have seen, for those whose object vanishes. */
  readonly #graceSeconds = new Map<string, number>();
  /** What each pod's users have been told, so that nothing is told twice. */
  readonly #told = new Map<string, Set<string>>();
  /** What our last write came to, until our copy has caught up with it. */
  readonly #written = new Map<string, Pod>();

  constructor(options: PodSyncerOptions) {
    this.#options = options;
  }

  /** Syncs the pod with this "namespace/name" key. */
  async sync(podKey: string, signal: AbortSignal): Promise<void> {
    const { sources, device, node } = this.#options;
    // The lane wakes everything once the copies are complete.
    if (!sources.hasSynced) return;
    const found = sources.pod(podKey);
    const pod = found?.spec.nodeName === node.name &&
        !node.isVirtualPod(found.metadata)
      ? this.#latest(found)
      : undefined;
    const uid = pod?.metadata.uid ?? "";
    for (const stale of device.named(podKey)) {
      if (stale.uid !== uid) await this.#clear(stale, signal);
    }
    if (!pod) {
      this.#options.subscription.setRefs(podKey, []);
      return;
    }
    this.#graceSeconds.set(uid, toGraceSeconds(pod));
    if (!sources.serves(pod.metadata.namespace ?? "")) {
      return await this.#turnAway(pod, signal);
    }
    if (pod.metadata.deletionTimestamp !== undefined) {
      return await this.#remove(pod, signal);
    }
    if (isTerminal(pod.status?.phase)) return;
    await this.#run(pod, signal);
  }

  /** The device or the API server refused something that a pod's users can mend: they are told. */
  explain(podKey: string, error: AranyaError): void {
    const pod = this.#options.sources.pod(podKey);
    if (pod?.spec.nodeName !== this.#options.node.name) return;
    this.#tell(pod, [{ reason: "FailedToSend", message: error.message }]);
  }

  /** Something on the device whose object is gone: it is ended, then forgotten. */
  async #clear(stale: PodStatus, signal: AbortSignal): Promise<void> {
    const { device, client, connection, queue, sources } = this.#options;
    const up = connection.listed;
    if (!up) return;
    const { uid, namespace, name } = stale;
    const podKey = `${namespace}/${name}`;
    const either = AbortSignal.any([signal, up.signal]);
    if (stale.terminated) {
      await device.forget(uid, either);
      this.#forget(uid);
      return queue.add(podKey);
    }
    // Our copy may be a moment behind: the API server itself has the last word before anything is
    // ended.
    const present = await client.find(POD, { namespace, name }, { signal });
    if (present?.metadata.uid === uid) {
      return queue.add(podKey, {
        afterMs: sources.serves(namespace) ? RECHECK_MS : UNSERVED_RECHECK_MS,
      });
    }
    const graceSeconds = this.#graceSeconds.get(uid) ?? DEFAULT_GRACE_SECONDS;
    const known = await device.remove(uid, { graceSeconds, signal: either });
    if (!known) queue.add(podKey);
  }

  /** A pod that came here although its namespace isn't served: it stays Pending. */
  async #turnAway(pod: Pod, signal: AbortSignal): Promise<void> {
    if (pod.metadata.deletionTimestamp !== undefined) {
      return await this.#deleteForeign(pod, signal);
    }
    this.#tell(pod, [{
      reason: "NamespaceNotServed",
      message: `Cannot run pod "${
        keyOf(pod)
      }": node ${this.#options.node.name} is a device that runs pods of other namespaces only`,
    }]);
  }

  /**
   * Nothing runs for it, so it may go; but whether we may delete there is up to the cluster's
   * owner.
   */
  async #deleteForeign(pod: Pod, signal: AbortSignal): Promise<void> {
    try {
      await this.#delete(pod, signal);
    } catch (error) {
      if (!(error instanceof AranyaError) || error.code !== "forbidden") {
        throw error;
      }
      this.#tell(pod, [{ reason: "FailedKillPod", message: error.message }]);
      this.#options.queue.add(keyOf(pod), { afterMs: UNSERVED_RECHECK_MS });
    }
  }

  async #run(pod: Pod, signal: AbortSignal): Promise<void> {
    const { device, connection, subscription } = this.#options;
    const up = connection.listed;
    if (!up) return;
    const { uid = "" } = pod.metadata;
    const report = device.find(uid);
    const accepted = report !== undefined ||
      pod.status?.startTime !== undefined;
    const unsupported = findUnsupportedFields(pod, up.capabilities);
    if (unsupported.length > 0) {
      const refusal = toRefusal(pod, unsupported);
      this.#tell(pod, [refusal]);
      // What runs already goes on without the new field.
      if (!accepted) {
        return await this.#write({ pod, refusal, accepted }, signal);
      }
    }
    // The former pod of this name has to go first.
    if (device.named(keyOf(pod)).some((other) => other.uid !== uid)) return;
    const translated = await this.#translate(pod, signal);
    subscription.setRefs(keyOf(pod), translated.refs);
    this.#tell(pod, translated.warnings);
    // What went away is told again should it come back.
    if (translated.warnings.length + unsupported.length === 0) {
      this.#told.delete(uid);
    }
    const { spec } = translated;
    const { specHash } = spec;
    if (device.hashOf(uid) !== specHash) {
      // The mark that the pod may be on the device: from now on only the device's word ends it,
      // whichever operator is there then.
      if (!accepted) await this.#write({ pod }, signal);
      if (connection.listed?.signal !== up.signal) return;
      await device.apply(spec, AbortSignal.any([signal, up.signal]));
    }
    const latest = device.find(uid);
    if (latest) {
      const { terminated } = latest;
      await this.#write(
        { pod: this.#latest(pod), report: latest, terminated },
        signal,
      );
    }
  }

  /** Gets the tokens, then translates with what is in memory. */
  async #translate(pod: Pod, signal: AbortSignal): Promise<TranslatedPod> {
    const { tokens, queue } = this.#options;
    try {
      const renewMs = await tokens.ensure(pod, signal);
      if (renewMs !== undefined) queue.add(keyOf(pod), { afterMs: renewMs });
    } catch (error) {
      signal.throwIfAborted();
      this.#tell(pod, [{
        reason: "FailedMount",
        message: error instanceof Error ? error.message : String(error),
      }]);
      throw error;
    }
    return toPodSpec(pod, this.lookups(pod));
  }

  /** Look-ups for this pod's translation. */
  lookups(pod: Pod): PodLookups {
    const { sources, tokens, node, settings } = this.#options;
    return {
      configMap: (namespace, name) => sources.configMap(namespace, name),
      secret: (namespace, name) => sources.secret(namespace, name),
      services: (namespace) => sources.services(namespace),
      token: (want) => tokens.find(pod.metadata.uid ?? "", want),
      allocatable: node.allocatable,
      dns: settings.dns,
    };
  }

  /** The pod is being deleted: the device ends it, then the object goes. */
  async #remove(pod: Pod, signal: AbortSignal): Promise<void> {
    const { device, connection } = this.#options;
    const { uid = "", deletionGracePeriodSeconds } = pod.metadata;
    const report = device.find(uid);
    const up = connection.listed;
    const neverSent = pod.status?.startTime === undefined && !report &&
      !device.hasTaken(uid);
    if (neverSent || report?.terminated) return await this.#finish(pod, signal);
    // What may run there is not ended here, however long the device is away.
    if (!up) return;
    if (!report && !device.hasTaken(uid)) {
      return await this.#finish(pod, signal);
    }
    const known = await device.remove(uid, {
      graceSeconds: deletionGracePeriodSeconds ?? toGraceSeconds(pod),
      signal: AbortSignal.any([signal, up.signal]),
    });
    if (!known) return await this.#finish(pod, signal);
    if (report) await this.#write({ pod, report }, signal);
  }

  /** Nothing of the pod lives: its last status, then the end of the object. */
  async #finish(pod: Pod, signal: AbortSignal): Promise<void> {
    const report = this.#options.device.find(pod.metadata.uid ?? "");
    const accepted = pod.status?.startTime !== undefined;
    await this.#write({ pod, report, terminated: true, accepted }, signal);
    await this.#delete(pod, signal);
  }

  async #delete(pod: Pod, signal: AbortSignal): Promise<void> {
    const { finalizers = [], deletionGracePeriodSeconds, uid } = pod.metadata;
    // Somebody else's finalizer holds it: our part is done.
    if (deletionGracePeriodSeconds === 0 && finalizers.length > 0) return;
    try {
      await this.#options.client.delete(POD, fromKey(keyOf(pod)), {
        gracePeriodSeconds: 0,
        uid,
        signal,
      });
    } catch (error) {
      // Another pod of the same name is there: the one that was meant is gone.
      if (!(error instanceof AranyaError) || error.code !== "conflict") {
        throw error;
      }
    }
    if (uid !== undefined) this.#forget(uid);
  }

  async #write(
    wish: Omit<PodStatusInput, "nowMs">,
    signal: AbortSignal,
  ): Promise<void> {
    const { pod } = wish;
    const { uid = "" } = pod.metadata;
    const nowMs = this.#options.clock.wallMs();
    const body = toStatusPatch({ ...wish, nowMs });
    if (!body) return;
    try {
      const written = await this.#options.client.patch(
        POD,
        fromKey(keyOf(pod)),
        { subresource: "status", kind: "strategic", body, signal },
      );
      this.#written.set(uid, written);
    } catch (error) {
      // Gone, or another of the same name: its watch event is on its way.
      const over = error instanceof AranyaError &&
        (error.code === "not_found" || error.code === "conflict");
      if (!over) throw error;
    }
  }

  /**
   * The newer one of our copy and what we wrote last: a time that was set once must not be set
   * again.
   */
  #latest(pod: Pod): Pod {
    const { uid = "", resourceVersion } = pod.metadata;
    const written = this.#written.get(uid);
    if (!written) return pod;
    if (isNewer(written.metadata.resourceVersion, resourceVersion)) {
      return written;
    }
    this.#written.delete(uid);
    return pod;
  }

  /** Records as Events what this pod's users have not been told yet. */
  #tell(
    pod: Pod,
    notes: readonly { reason: string; message: string; container?: string }[],
  ): void {
    const { namespace = "", name, uid = "" } = pod.metadata;
    const told = this.#told.get(uid) ?? new Set<string>();
    for (const { reason, message, container } of notes) {
      if (told.has(reason + message)) continue;
      told.add(reason + message);
      this.#options.events.record({
        involvedObject: {
          apiVersion: "v1",
          kind: "Pod",
          namespace,
          name,
          uid,
          ...(container === undefined
            ? {}
            : { fieldPath: `spec.containers{${container}}` }),
        },
        type: "Warning",
        reason,
        message,
        host: this.#options.node.name,
      });
    }
    if (told.size > 0) this.#told.set(uid, told);
  }

  #forget(uid: string): void {
    this.#graceSeconds.delete(uid);
    this.#told.delete(uid);
    this.#written.delete(uid);
    this.#options.tokens.forget(uid);
  }
}

function toRefusal(
  pod: Pod,
  fields: readonly string[],
): { reason: string; message: string } {
  return {
    reason: "UnsupportedField",
    message: `Cannot run pod "${keyOf(pod)}": ${
      fields.length === 1 ? "field" : "fields"
    } ${fields.join(", ")} not supported by this device`,
  };
}

/** Versions of one API server rise as numbers do; ones that are none count as equal. */
function isNewer(left = "", right = ""): boolean {
  return /^\d+$/.test(left) && /^\d+$/.test(right) &&
    BigInt(left) > BigInt(right);
}

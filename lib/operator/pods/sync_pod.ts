// SPDX-License-Identifier: Apache-2.0
/** Syncs one pod between the API server and its device. */
import { type AranyaError, hasCode } from "../../shared/base/mod.ts";
import type { PodRejection, PodStatus } from "../../shared/wire/mod.ts";
import { fromKey, keyOf, POD, type Pod } from "../kube/mod.ts";
import { isTerminal, type PodWarning, toGraceSeconds } from "../podspec/mod.ts";
import type { DeviceConnection, ListedDevice } from "./device_connection.ts";
import type { DevicePods } from "./device_pods.ts";
import type { PodNode } from "./device_state.ts";
import { ForbiddenPods } from "./forbidden_pods.ts";
import { PodAdmission } from "./pod_admission.ts";
import type { PodClient } from "./pod_client.ts";
import type { PodEvents } from "./pod_events.ts";
import type { PodTranslation, PodTranslations } from "./pod_translations.ts";
import { RejectedPods } from "./rejected_pods.ts";
import type { PodSources } from "./sources.ts";
import type { PodStatusWriter } from "./status_writer.ts";
import type { EnqueuePod, PodSubscription } from "./subscriptions.ts";
import type { PodTokens } from "./tokens.ts";

/** Options of {@linkcode PodSyncer}. */
export interface PodSyncerOptions {
  node: PodNode;
  client: Pick<PodClient, "find" | "delete">;
  sources: PodSources;
  /** The node's subscription to the sources. */
  subscription: PodSubscription;
  devicePods: DevicePods;
  connection: Pick<DeviceConnection, "listed">;
  translations: PodTranslations;
  tokens: PodTokens;
  events: PodEvents;
  statusWriter: PodStatusWriter;
  /** Enqueues a pod to be synced again. */
  enqueue: EnqueuePod;
}

/** Why the device doesn't run a pod that was sent to it. */
interface DeviceRefusal {
  /** The device's owner does not allow it: a message that names what it has. */
  forbidden?: string;
  rejection?: PodRejection;
}

/** The API server's default, for a pod that was deleted before this process saw it. */
const DEFAULT_GRACE_SECONDS = 30;
/** When to check again a pod that exists, but not in the informer's copy. */
const RECHECK_MS = 2000;
/** The same for namespaces that are not served, where only Pending pods are watched. */
const UNSERVED_RECHECK_MS = 600_000;

/**
 * Syncs one pod per call: compares the pod of the API server with the one on the device and makes
 * the next step from the one to the other. Level-based: it may be called at any time and any number
 * of times, and does nothing when both agree. Throws what a request to the API server or the device
 * throws; the caller retries.
 *
 * A pod's object is deleted only when the device reports that no container of it runs, or when it
 * was never sent there. `status.startTime` marks that it may have been sent: it is written first.
 */
export class PodSyncer {
  readonly #options: PodSyncerOptions;
  /**
   * Grace periods in seconds, by pod key and UID, for pods whose object is deleted by force. Has an
   * entry for each UID of which this device's controller keeps state.
   */
  readonly #graceSeconds = new Map<string, Map<string, number>>();
  readonly #rejected: RejectedPods;
  readonly #forbidden: ForbiddenPods;
  readonly #admission: PodAdmission;

  constructor(options: PodSyncerOptions) {
    this.#options = options;
    this.#rejected = new RejectedPods({
      ...options,
      deleteObject: (pod, signal) => this.#deleteObject(pod, signal),
    });
    this.#forbidden = new ForbiddenPods(options);
    this.#admission = new PodAdmission(options);
  }

  /** Syncs the pod of this "namespace/name". */
  async sync(podKey: string, signal: AbortSignal): Promise<void> {
    const { sources, devicePods } = this.#options;
    const { namespace } = fromKey(podKey);
    // All pods are enqueued when the first lists of a namespace are complete.
    if (!sources.hasListedPods(namespace)) return;
    const pod = this.#findPod(podKey);
    const uid = pod?.metadata.uid ?? "";
    try {
      for (const stale of devicePods.findByKey(podKey)) {
        if (stale.uid !== uid) await this.#removeStale(stale, signal);
      }
    } finally {
      this.#dropStaleStates(podKey, { uid });
      if (pod) await this.#syncPod(pod, signal);
      else this.#dropRefs(podKey);
    }
  }

  async #syncPod(pod: Pod, signal: AbortSignal): Promise<void> {
    const { tokens } = this.#options;
    const { uid = "", deletionTimestamp } = pod.metadata;
    const podKey = keyOf(pod);
    const graceSeconds = this.#graceSeconds.get(podKey) ?? new Map();
    graceSeconds.set(uid, toGraceSeconds(pod));
    this.#graceSeconds.set(podKey, graceSeconds);
    if (this.#rejected.includes(pod)) {
      return await this.#rejected.sync(pod, signal);
    }
    if (deletionTimestamp !== undefined) {
      return await this.#terminate(pod, signal);
    }
    if (isTerminal(pod.status?.phase)) {
      // It stays until someone deletes it, but nothing of it is sent any more.
      tokens.delete(uid);
      return this.#dropRefs(podKey);
    }
    await this.#run(pod, signal);
  }

  /** Records an Event about a failed sync whose cause someone can remove. */
  warnOfFailure(podKey: string, warning: PodWarning): void {
    const pod = this.#findPod(podKey);
    if (pod) this.#options.events.warnOnce(pod, [warning]);
  }

  /** Returns the pod of this name that is bound to the Node, except the device's virtual pod. */
  #findPod(podKey: string): Pod | undefined {
    const { sources, node, statusWriter } = this.#options;
    const pod = sources.findPod(podKey);
    if (pod?.spec.nodeName !== node.name) return undefined;
    const isVirtual = node.isVirtualPod(pod.metadata) &&
      node.ownsVirtualPod(pod);
    return isVirtual ? undefined : statusWriter.latest(pod);
  }

  /** Removes a pod from the device whose object was deleted by force, then purges it. */
  async #removeStale(stale: PodStatus, signal: AbortSignal): Promise<void> {
    const { devicePods, client, connection, enqueue, sources } = this.#options;
    const { listed } = connection;
    if (!listed) return;
    const { uid, namespace, name } = stale;
    const podKey = `${namespace}/${name}`;
    const requestSignal = AbortSignal.any([signal, listed.signal]);
    if (stale.terminated) {
      await devicePods.purge(uid, requestSignal);
      this.#dropState(podKey, uid);
      return enqueue(podKey);
    }
    // The informer may lag behind, so the API server is asked before anything is terminated.
    const present = await client.find(POD, { namespace, name }, { signal });
    if (present?.metadata.uid === uid) {
      return enqueue(podKey, {
        afterMs: sources.serves(namespace) ? RECHECK_MS : UNSERVED_RECHECK_MS,
      });
    }
    const isFound = await devicePods.remove(uid, {
      graceSeconds: this.#graceSeconds.get(podKey)?.get(uid) ??
        DEFAULT_GRACE_SECONDS,
      signal: requestSignal,
    });
    if (!isFound) enqueue(podKey);
  }

  /**
   * Writes what the device reports of the pod, and sends the pod if the device has another spec.
   */
  async #run(pod: Pod, signal: AbortSignal): Promise<void> {
    const { devicePods, connection } = this.#options;
    const { listed } = connection;
    if (!listed) return;
    const report = devicePods.find(pod.metadata.uid ?? "");
    try {
      if (report) await this.#writeReport(pod, { report, signal });
    } finally {
      // The status must not wait for tokens, references and the device, nor these for the status.
      await this.#update(pod, { listed, signal });
    }
  }

  /** Sends the pod if the device has another spec; a pod that has completed stays as it is. */
  async #update(
    pod: Pod,
    { listed, signal }: { listed: ListedDevice; signal: AbortSignal },
  ): Promise<void> {
    const { devicePods, translations, events, statusWriter } = this.#options;
    const { uid = "" } = pod.metadata;
    if (isTerminal(statusWriter.latest(pod).status?.phase)) return;
    const accepted = devicePods.find(uid) !== undefined ||
      pod.status?.startTime !== undefined;
    const unsupported = translations.findUnsupportedFields(
      pod,
      listed.capabilities,
    );
    if (unsupported.length > 0) {
      const refusal = toRefusal(pod, unsupported);
      events.warnOnce(pod, [refusal]);
      // A pod that already runs goes on without the new field.
      if (!accepted) {
        await statusWriter.write({ pod, refusal, accepted }, signal);
        return;
      }
    }
    const reason = this.#forbidden.findReason(pod);
    if (reason !== undefined) {
      return await this.#forbidden.refuse(pod, {
        message: reason,
        accepted,
        signal,
      });
    }
    const rejection = this.#admission.findRejection(pod);
    if (rejection) {
      return await this.#admission.reject(pod, { rejection, signal });
    }
    // A new pod starts when the earlier one of its name has been purged.
    const named = devicePods.findByKey(keyOf(pod));
    if (named.some((other) => other.uid !== uid)) return;
    if (!this.#isNamespaceReady(pod)) return;
    const translation = await this.#translate(pod, signal);
    const refusal = await this.#send(pod, {
      translation,
      accepted,
      listed,
      signal,
    });
    // What the device goes by is not known yet, or has just changed.
    if (refusal?.forbidden !== undefined) {
      return await this.#forbidden.refuse(pod, {
        message: refusal.forbidden,
        accepted: true,
        signal,
      });
    }
    if (refusal?.rejection) {
      const { rejection } = refusal;
      return await this.#admission.reject(pod, { rejection, signal });
    }
    if (translation.warnings.length + unsupported.length === 0) {
      events.clearWarnings(uid);
    }
  }

  /** Returns whether what the pod refers to could be read; records an Event when it can't. */
  #isNamespaceReady(pod: Pod): boolean {
    const { sources, events } = this.#options;
    const { namespace = "" } = pod.metadata;
    const state = sources.stateOf(namespace);
    if (state.kind === "unreadable") {
      events.warnOnce(pod, [{
        reason: "NamespaceNotReadable",
        message: `Cannot run pod "${
          keyOf(pod)
        }": the operator may not read namespace "${namespace}": ${state.error.message}`,
      }]);
    }
    return state.kind === "ready";
  }

  /** Writes what the device reports of a pod that exists. */
  async #writeReport(
    pod: Pod,
    { report, signal }: { report: PodStatus; signal: AbortSignal },
  ): Promise<void> {
    const { terminated } = report;
    await this.#options.statusWriter.write({ pod, report, terminated }, signal);
  }

  /** Requests the pod's tokens, then translates it. */
  async #translate(pod: Pod, signal: AbortSignal): Promise<PodTranslation> {
    const { devicePods, tokens, translations, subscription, events, enqueue } =
      this.#options;
    const podKey = keyOf(pod);
    const { uid = "" } = pod.metadata;
    try {
      const { tokenFiles = [] } = devicePods.findSpec(uid) ?? {};
      const renewMs = await tokens.ensure(pod, { tokenFiles, signal });
      if (renewMs !== undefined) enqueue(podKey, { afterMs: renewMs });
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      events.warnOnce(pod, [{ reason: "FailedMount", message }]);
      throw error;
    }
    const held = devicePods.findSpec(uid);
    const translation = translations.translate(pod, { held });
    subscription.setRefs(podKey, translation.refs);
    events.warnOnce(pod, translation.warnings);
    return translation;
  }

  /**
   * Sends the pod to the device, unless the device has it or has disconnected. Returns why the
   * device refuses to run it, if it does.
   */
  async #send(
    pod: Pod,
    { translation, accepted, listed, signal }: {
      translation: PodTranslation;
      accepted: boolean;
      listed: ListedDevice;
      signal: AbortSignal;
    },
  ): Promise<DeviceRefusal | undefined> {
    if (!translation.spec) return undefined;
    const { devicePods, connection, statusWriter, enqueue } = this.#options;
    // `startTime` is written first: from now on only a report of the device ends the pod, whichever
    // operator gets it.
    if (!accepted && !await statusWriter.write({ pod }, signal)) {
      enqueue(keyOf(pod), { afterMs: RECHECK_MS });
      return undefined;
    }
    if (connection.listed?.signal !== listed.signal) return undefined;
    try {
      const rejection = await devicePods.apply(
        translation.spec,
        AbortSignal.any([signal, listed.signal]),
      );
      return rejection && { rejection };
    } catch (error) {
      if (!hasCode(error, "forbidden")) throw error;
      return { forbidden: (error as AranyaError).message };
    }
  }

  /** Terminates a deleted pod: the device first, then the object. */
  async #terminate(pod: Pod, signal: AbortSignal): Promise<void> {
    const { devicePods, connection } = this.#options;
    const { uid = "" } = pod.metadata;
    const report = devicePods.find(uid);
    const { listed } = connection;
    const mayBeOnDevice = report !== undefined || devicePods.hasAccepted(uid);
    const wasNeverSent = pod.status?.startTime === undefined && !mayBeOnDevice;
    if (wasNeverSent || report?.terminated) {
      return await this.#finalize(pod, signal);
    }
    // It may run on a device that is offline: the object stays, however long that takes.
    if (!listed) return;
    if (!mayBeOnDevice) return await this.#finalize(pod, signal);
    try {
      if (report) await this.#writeReport(pod, { report, signal });
    } finally {
      await this.#removeFromDevice(pod, { listed, signal });
    }
  }

  /**
   * Has the device end the pod within its grace period; deletes an object that it does not have.
   */
  async #removeFromDevice(
    pod: Pod,
    { listed, signal }: { listed: ListedDevice; signal: AbortSignal },
  ): Promise<void> {
    const { uid = "", deletionGracePeriodSeconds } = pod.metadata;
    const isFound = await this.#options.devicePods.remove(uid, {
      graceSeconds: deletionGracePeriodSeconds ?? toGraceSeconds(pod),
      signal: AbortSignal.any([signal, listed.signal]),
    });
    if (!isFound) await this.#finalize(pod, signal);
  }

  /** Writes the last status of a pod of which no container runs, and deletes the object. */
  async #finalize(pod: Pod, signal: AbortSignal): Promise<void> {
    const { devicePods, statusWriter } = this.#options;
    const report = devicePods.find(pod.metadata.uid ?? "");
    const accepted = pod.status?.startTime !== undefined;
    await statusWriter.write(
      { pod, report, terminated: true, accepted },
      signal,
    );
    await this.#deleteObject(pod, signal);
  }

  async #deleteObject(pod: Pod, signal: AbortSignal): Promise<void> {
    const { finalizers = [], deletionGracePeriodSeconds, uid } = pod.metadata;
    // The deletion is final already; the object waits for a finalizer of someone else.
    if (deletionGracePeriodSeconds === 0 && finalizers.length > 0) return;
    try {
      await this.#options.client.delete(POD, fromKey(keyOf(pod)), {
        gracePeriodSeconds: 0,
        uid,
        signal,
      });
    } catch (error) {
      // Another pod has this name now, so the one with this UID was deleted.
      if (!hasCode(error, "conflict")) throw error;
    }
    if (uid !== undefined) this.#dropState(keyOf(pod), uid);
  }

  /** Drops what a pod refers to, so that no change of that enqueues the pod. */
  #dropRefs(podKey: string): void {
    this.#options.subscription.setRefs(podKey, []);
    this.#options.translations.delete(podKey);
  }

  /** Drops the state of earlier pods of this name that the device does not have either. */
  #dropStaleStates(podKey: string, { uid }: { uid: string }): void {
    const { devicePods } = this.#options;
    for (const known of [...this.#graceSeconds.get(podKey)?.keys() ?? []]) {
      if (known === uid) continue;
      if (devicePods.find(known) || devicePods.hasAccepted(known)) continue;
      this.#dropState(podKey, known);
    }
  }

  /** Drops what is kept in memory of a pod whose object was deleted. */
  #dropState(podKey: string, uid: string): void {
    const { events, statusWriter, tokens } = this.#options;
    const graceSeconds = this.#graceSeconds.get(podKey);
    graceSeconds?.delete(uid);
    if (graceSeconds?.size === 0) this.#graceSeconds.delete(podKey);
    events.clearWarnings(uid);
    statusWriter.delete(uid);
    tokens.delete(uid);
  }
}

function toRefusal(pod: Pod, fields: readonly string[]): PodWarning {
  const noun = fields.length === 1 ? "field" : "fields";
  return {
    reason: "UnsupportedField",
    message: `Cannot run pod "${keyOf(pod)}": ${noun} ${
      fields.join(", ")
    } not supported by this device`,
  };
}

// SPDX-License-Identifier: Apache-2.0
/** A syncer of one pod without an API server. */
import { AranyaError, SYSTEM_CLOCK } from "../../../../lib/shared/base/mod.ts";
import type {
  KubeClient,
  NewEvent,
  PatchOptions,
  Pod,
} from "../../../../lib/operator/kube/mod.ts";
import { DevicePods } from "../../../../lib/operator/pods/device_pods.ts";
import { PodEvents } from "../../../../lib/operator/pods/pod_events.ts";
import type { PodSources } from "../../../../lib/operator/pods/sources.ts";
import { PodStatusWriter } from "../../../../lib/operator/pods/status_writer.ts";
import { PodSyncer } from "../../../../lib/operator/pods/sync_pod.ts";
import type { PodTokens } from "../../../../lib/operator/pods/tokens.ts";
import {
  ApplyPodResultSchema,
  create,
  decodeMessage,
  encodeMessage,
  Method,
  PodRejectionSchema,
  PodStatusListSchema,
  RemovePodSchema,
} from "../../../../lib/shared/wire/mod.ts";
import type { PodSwitches } from "../../../../lib/shared/config/mod.ts";
import { SETTINGS, TEST_NODE } from "./pod_fixture.ts";
import { REFERRING_POD, TranslationInputs } from "./translation_inputs.ts";

/** Never aborted. */
export const SIGNAL = new AbortController().signal;

/** What fails in {@linkcode OfflineSyncer}; undefined: the step succeeds. */
export interface Failures {
  offline?: boolean;
  /** The pods of the namespace are not known yet. */
  unlisted?: boolean;
  /** What pods of the namespace refer to can't be read. */
  namespace?: AranyaError | undefined;
  token?: AranyaError | undefined;
  apply?: AranyaError | undefined;
  remove?: AranyaError | undefined;
  patch?: AranyaError | undefined;
  /** What the device's owner allows. */
  switches?: PodSwitches | undefined;
  /** Conditions of pressure that the device reports. */
  pressures?: readonly string[];
  /** Why the device rejects the pod. */
  rejection?: { reason: string; message: string } | undefined;
}

/** A syncer of one pod without an API server; patches and requests are accepted. */
export class OfflineSyncer {
  readonly inputs = new TranslationInputs();
  readonly patches: unknown[] = [];
  readonly requests: Method[] = [];
  /** Grace periods of REMOVE_POD, in seconds. */
  readonly removals: number[] = [];
  readonly enqueued: string[] = [];
  readonly events: NewEvent[] = [];
  /** References by pod key. */
  readonly refs = new Map<string, string[]>();
  /** UIDs of pods whose tokens were dropped. */
  readonly dropped: string[] = [];
  readonly stored: { pod: Pod | undefined } = { pod: REFERRING_POD };
  /** Returns the informer's copy. */
  findPod: () => Pod | undefined = () => this.stored.pod;
  readonly devicePods: DevicePods;
  readonly syncer: PodSyncer;

  constructor(failures: Failures = {}) {
    const client = this.#createClient(failures);
    this.devicePods = this.#createDevicePods(failures);
    this.syncer = new PodSyncer({
      node: {
        ...TEST_NODE,
        get podSwitches() {
          return failures.switches;
        },
        get pressures() {
          return failures.pressures ?? [];
        },
      },
      client,
      sources: {
        hasListedPods: () => failures.unlisted !== true,
        stateOf: () =>
          failures.namespace
            ? { kind: "unreadable", error: failures.namespace }
            : { kind: "ready" },
        serves: () => true,
        findPod: () => this.findPod(),
      } as unknown as PodSources,
      subscription: {
        setRefs: (podKey, podRefs) => void this.refs.set(podKey, [...podRefs]),
        close() {},
      },
      devicePods: this.devicePods,
      connection: {
        get listed() {
          return failures.offline
            ? undefined
            : { capabilities: ["pods.v1"], signal: SIGNAL };
        },
      },
      translations: this.inputs.translations,
      tokens: {
        ensure: () =>
          failures.token
            ? Promise.reject(failures.token)
            : Promise.resolve(undefined),
        delete: (uid: string) => void this.dropped.push(uid),
      } as unknown as PodTokens,
      events: new PodEvents({
        record: (event) => void this.events.push(event),
        flush: () => Promise.resolve(),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }, { nodeName: TEST_NODE.name }),
      statusWriter: new PodStatusWriter(client, SYSTEM_CLOCK),
      enqueue: (podKey) => void this.enqueued.push(podKey),
    });
  }

  /** Reports the pod with this restart count and syncs it. */
  readonly report = async (restartCount: number): Promise<void> => {
    const specHash = this.devicePods.findSpec("u-1")?.specHash ?? "";
    this.devicePods.addReport(create(PodStatusListSchema, {
      pods: [{
        uid: "u-1",
        namespace: "ns",
        name: "web",
        specHash,
        version: BigInt(restartCount),
        containers: [{ name: "app", restartCount }],
      }],
    }));
    await this.syncer.sync("ns/web", SIGNAL);
  };

  #createClient(failures: Failures): KubeClient {
    const { patches, stored } = this;
    return {
      patch: (_type: unknown, _ref: unknown, { body }: PatchOptions) => {
        if (failures.patch) return Promise.reject(failures.patch);
        const { metadata, status } = body as Pod;
        const present = stored.pod?.metadata.resourceVersion;
        if ((metadata.resourceVersion ?? present) !== present) {
          return Promise.reject(
            new AranyaError("conflict", "Cannot patch: the pod has changed"),
          );
        }
        patches.push(body);
        const resourceVersion = String(patches.length + 1);
        const { pod = REFERRING_POD } = stored;
        stored.pod = {
          ...pod,
          metadata: { ...pod.metadata, resourceVersion },
          status: { ...pod.status, ...status },
        };
        return Promise.resolve(stored.pod);
      },
      find: () => Promise.resolve(undefined),
      delete: () => {
        stored.pod = undefined;
        return Promise.resolve(true);
      },
    } as unknown as KubeClient;
  }

  #createDevicePods(failures: Failures): DevicePods {
    return new DevicePods({
      request: (method, payload) => {
        this.requests.push(method);
        if (method === Method.REMOVE_POD) {
          const { graceSeconds } = decodeMessage(RemovePodSchema, payload);
          this.removals.push(Number(graceSeconds));
        }
        const failure = method === Method.APPLY_POD
          ? failures.apply
          : failures.remove;
        if (failure) return Promise.reject(failure);
        const { rejection } = failures;
        if (method !== Method.APPLY_POD || !rejection) {
          return Promise.resolve(new Uint8Array());
        }
        return Promise.resolve(
          encodeMessage(ApplyPodResultSchema, {
            rejection: create(PodRejectionSchema, rejection),
          }),
        );
      },
    }, { settings: SETTINGS });
  }
}

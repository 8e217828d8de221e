// SPDX-License-Identifier: Apache-2.0
/** A pod controller on a real API server, with a scripted device. */
import assert from "node:assert/strict";
import {
  type AranyaError,
  hasCode,
  SILENT_LOGGER,
} from "../../../../lib/shared/base/mod.ts";
import {
  PodController,
  type PodControllerOptions,
} from "../../../../lib/operator/pods/pod_controller.ts";
import { PodClient } from "../../../../lib/operator/pods/pod_client.ts";
import type {
  PodNode,
  PodSettings,
} from "../../../../lib/operator/pods/device_state.ts";
import {
  InformerPodSources,
  type PodSources,
} from "../../../../lib/operator/pods/sources.ts";
import {
  createEventRecorder,
  createKubeClient,
  type EventRecorder,
  type KubeClient,
  NODE,
  POD,
  type Pod,
  type RawCall,
} from "../../../../lib/operator/kube/mod.ts";
import { NAMESPACE, SERVICE_ACCOUNT } from "../../_support/kinds.ts";
import {
  ApplyPodResultSchema,
  create,
  decodeMessage,
  encodeMessage,
  type File,
  Method,
  PodRejectionSchema,
  type PodSpec,
  PodSpecSchema,
  type PodStatus,
  PodStatusListSchema,
  PodStatusSchema,
  PurgePodSchema,
  RemovePodSchema,
} from "../../../../lib/shared/wire/mod.ts";
import type { Cluster } from "../../../_support/cluster.ts";
import { until } from "../../../../dev/base/wait.ts";

/** Name of the device and its node. */
export const NODE_NAME = "edge-1";

/** UID of the pod that was made for the device as its virtual pod. */
export const OWN_VIRTUAL_POD_UID = "virtual";

/** The node of the device; a pod of its name is its virtual pod. */
export const TEST_NODE: PodNode = {
  name: NODE_NAME,
  allocatable: { cpuMillis: 0, memoryBytes: 0 },
  podSwitches: undefined,
  pressures: [],
  isVirtualPod: ({ name }) => name === NODE_NAME,
  ownsVirtualPod: ({ metadata }) => metadata.uid === OWN_VIRTUAL_POD_UID,
};

/** Why pods are rejected while the device has no space on its disk. */
export const REJECTION = {
  reason: "Evicted",
  message: "The node had condition: [DiskPressure]. ",
};

/** Settings of the device, with the defaults of an EdgeDevice. */
export const SETTINGS: PodSettings = {
  requestTimeoutMs: 60_000,
  podSyncMs: 600_000,
  dns: undefined,
};

/** A device that accepts every request, and reports what the test sets. */
export class ScriptedDevice {
  readonly specs = new Map<string, PodSpec>();
  readonly statuses = new Map<string, PodStatus>();
  readonly calls: string[] = [];
  readonly graces: number[] = [];
  failApply: AranyaError | undefined;
  /** Names of pods that the device rejects. */
  readonly rejected = new Set<string>();
  /** Whether the list names the tokens that the device holds; agents of early versions don't. */
  reportsTokens = true;
  controller: PodController | undefined;
  #version = 0n;

  request(method: Method, payload: Uint8Array): Promise<Uint8Array> {
    switch (method) {
      case Method.LIST_PODS:
        this.calls.push("list");
        return Promise.resolve(
          encodeMessage(PodStatusListSchema, {
            pods: [...this.statuses.values()].map((status) => ({
              ...status,
              tokenFiles: this.listTokenFiles(status.uid),
            })),
          }),
        );
      case Method.APPLY_POD: {
        const spec = decodeMessage(PodSpecSchema, payload);
        this.calls.push(`apply ${spec.namespace}/${spec.name}`);
        if (this.failApply) return Promise.reject(this.failApply);
        if (this.rejected.has(spec.name)) {
          return Promise.resolve(
            encodeMessage(ApplyPodResultSchema, {
              rejection: create(PodRejectionSchema, REJECTION),
            }),
          );
        }
        this.specs.set(spec.uid, spec);
        break;
      }
      case Method.REMOVE_POD: {
        const { uid, graceSeconds } = decodeMessage(RemovePodSchema, payload);
        this.calls.push(`remove ${this.nameOf(uid)}`);
        this.graces.push(Number(graceSeconds));
        break;
      }
      case Method.PURGE_POD: {
        const { uid } = decodeMessage(PurgePodSchema, payload);
        this.calls.push(`purge ${this.nameOf(uid)}`);
        this.statuses.delete(uid);
        this.specs.delete(uid);
        break;
      }
    }
    return Promise.resolve(new Uint8Array());
  }

  /** Returns the files of a pod that hold tokens; none when it is an agent that reports none. */
  listTokenFiles(uid: string): File[] {
    if (!this.reportsTokens) return [];
    return (this.specs.get(uid)?.volumes ?? []).flatMap(({ source }) =>
      source.case === "files"
        ? source.value.files.filter(({ token }) => token !== undefined)
        : []
    );
  }

  nameOf(uid: string): string {
    return this.specs.get(uid)?.name ?? this.statuses.get(uid)?.name ?? uid;
  }

  uidOf(name: string): string {
    const spec = [...this.specs.values()].findLast((one) => one.name === name);
    assert.ok(spec, `no pod ${name} on the device`);
    return spec.uid;
  }

  /** Reports that the pod's containers run, or have terminated with this code. */
  report(
    name: string,
    how: { exitCode?: number; terminated?: boolean } = {},
  ): void {
    const spec = this.specs.get(this.uidOf(name));
    assert.ok(spec);
    const status = create(PodStatusSchema, {
      uid: spec.uid,
      namespace: spec.namespace,
      name,
      specHash: spec.specHash,
      podIps: ["10.9.0.2"],
      hostIps: ["192.0.2.7"],
      sandboxReady: !how.terminated,
      terminated: how.terminated ?? false,
      removing: how.terminated ?? false,
      version: ++this.#version,
      containers: spec.containers.map((container) => ({
        name: container.name,
        image: container.image,
        imageId: "sha256:1",
        containerId: "docker://c1",
        ready: how.exitCode === undefined,
        started: how.exitCode === undefined,
        state: {
          state: how.exitCode === undefined
            ? { case: "running" as const, value: { startedUnixMs: 1000n } }
            : {
              case: "terminated" as const,
              value: { exitCode: how.exitCode, finishedUnixMs: 2000n },
            },
        },
      })),
    });
    this.statuses.set(spec.uid, status);
    void this.controller?.onPodsReported(
      create(PodStatusListSchema, { pods: [status] }),
    );
  }
}

/** One namespace, one pod controller and one scripted device. */
export class PodFixture implements AsyncDisposable {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly device = new ScriptedDevice();
  readonly sources: PodSources;
  readonly events: EventRecorder;
  controller: PodController;

  private constructor(client: KubeClient, namespace: string) {
    this.client = client;
    this.namespace = namespace;
    this.events = createEventRecorder({ client, log: SILENT_LOGGER });
    this.sources = new InformerPodSources({
      client,
      namespaces: [namespace],
      log: SILENT_LOGGER,
    });
    this.controller = this.open();
  }

  static async start(
    cluster: Pick<Cluster, "kubeconfig">,
    namespace: string,
  ): Promise<PodFixture> {
    const client = await createKubeClient({
      kubeconfigFile: cluster.kubeconfig,
      log: SILENT_LOGGER,
    });
    await client.create(NAMESPACE, { metadata: { name: namespace } });
    await client.create(SERVICE_ACCOUNT, {
      metadata: { namespace, name: "default" },
    }).catch(() => {});
    await client.create(NODE, { metadata: { name: NODE_NAME } }).catch(
      (error) => {
        if (!hasCode(error, "already_exists")) throw error;
      },
    );
    const fixture = new PodFixture(client, namespace);
    await fixture.sources.whenSettled(namespace);
    return fixture;
  }

  /** Starts a new controller, as after a restart of the operator. */
  open(more: Partial<PodControllerOptions> = {}): PodController {
    this.controller = new PodController({
      node: TEST_NODE,
      settings: SETTINGS,
      client: new PodClient(this.client),
      sources: this.sources,
      events: this.events,
      session: {
        request: (method, payload) => this.device.request(method, payload),
      },
      log: SILENT_LOGGER,
      ...more,
    });
    this.device.controller = this.controller;
    return this.controller;
  }

  connect(): void {
    this.controller.onDeviceConnected({
      capabilities: ["pods.v1", "probes.v1"],
    });
  }

  /** Closes the controller and starts one, as a new leader does. Returns its token requests. */
  async changeLeader(): Promise<string[]> {
    await this.controller.close();
    const requests: string[] = [];
    const client = Object.create(null, {
      find: { value: this.client.find.bind(this.client) },
      patch: { value: this.client.patch.bind(this.client) },
      delete: { value: this.client.delete.bind(this.client) },
      request: {
        value: (call: RawCall) => {
          requests.push(call.path);
          return this.client.request(call);
        },
      },
    });
    this.open({ client: new PodClient(client) });
    this.device.calls.length = 0;
    this.connect();
    return requests;
  }

  createPod(name: string, spec: Partial<Pod["spec"]> = {}): Promise<Pod> {
    return this.client.create(POD, {
      metadata: { namespace: this.namespace, name },
      spec: {
        nodeName: NODE_NAME,
        automountServiceAccountToken: false,
        containers: [{ name: "app", image: "busybox:1" }],
        ...spec,
      },
    });
  }

  pod(name: string): Promise<Pod | undefined> {
    return this.client.find(POD, { namespace: this.namespace, name });
  }

  /** Waits until the condition returns a value, and returns that. */
  until<T>(
    condition: () => Promise<T | undefined | false> | T | undefined | false,
  ): Promise<T> {
    return until(condition, {
      detail: () => `calls: ${this.device.calls.join(", ")}`,
    });
  }

  /** Waits until the device has got this request. */
  waitForCall(call: string): Promise<boolean> {
    return this.until(() => this.device.calls.includes(call));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.controller.close();
    await this.sources[Symbol.asyncDispose]();
    await this.events[Symbol.asyncDispose]();
    await this.client[Symbol.asyncDispose]();
  }
}

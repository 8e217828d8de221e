// SPDX-License-Identifier: Apache-2.0
/** One EdgeDevice in this process. */
import { AranyaError, type Logger } from "../../shared/base/mod.ts";
import type { Link } from "../../shared/link/mod.ts";
import {
  type Blobs,
  ConfigureSchema,
  create,
  type EventList,
  type FetchBlobs,
  type PodStatusList,
} from "../../shared/wire/mod.ts";
import type {
  EdgeDevice,
  NewEvent,
  Node,
  ObjectRef,
  Pod,
} from "../kube/mod.ts";
import type { KubeletHandlers, KubeletServer } from "../kubelet/mod.ts";
import { PodController, type PodNode } from "../pods/mod.ts";
import { DeviceHandlers } from "../proxy/mod.ts";
import type { DeviceContext, DeviceSettings } from "./context.ts";
import { Credential, type CredentialKeys } from "./credential.ts";
import { DeviceLink, type DeviceLinkOwner } from "./link.ts";
import { agentSecretName, ownerOf, ownership, revisionOf } from "./metadata.ts";
import { isOurNode } from "./node.ts";
import { PodControl } from "./pod_control.ts";
import {
  DeviceLinkState,
  DevicePodDirectory,
  DevicePodSettings,
  toPodDns,
} from "./pod_dependencies.ts";
import {
  DUPLICATE_DEVICE,
  MQTT_NOT_SUPPORTED,
  ORGANIZATION_LEFT_OUT,
  type ProblemCondition,
  settingIgnored,
  unsupportedVersion,
} from "./problems.ts";
import { KeyRotation } from "./rotation.ts";

/** Changes of the device's state that come in a burst are written together. */
const STATE_CHANGE_DELAY_MS = 100;

/** An agent that has completed the handshake. */
export interface SecuredAgent {
  /** The sealed link. */
  link: Link;
  /** The key that the agent proved to have. */
  key: Uint8Array;
}

/**
 * Whose the Node of the device's name is: "deleted" was the device's own; "unknown" until the first
 * reconciliation.
 */
type NodeState = "unknown" | "ours" | "deleted" | "foreign";

/**
 * The running parts of one EdgeDevice: its link, pod controller and kubelet server. What is stored
 * for it on the API server is written by `DeviceReconciler`.
 */
export class Device implements AsyncDisposable, PodNode, DeviceLinkOwner {
  readonly name: string;
  readonly context: DeviceContext;
  readonly credential = new Credential();
  readonly link: DeviceLink;
  readonly pods: PodControl;
  readonly rotation: KeyRotation;
  /** Handlers for the device's kubelet server. */
  readonly handlers: KubeletHandlers;
  /** Set by the first reconciliation. */
  kubelet: KubeletServer | undefined;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #edge: EdgeDevice;
  #node: NodeState = "unknown";
  /** Why the last agent was refused, when its protocol version is not supported. */
  #unsupportedVersion: string | undefined;

  constructor(edge: EdgeDevice, context: DeviceContext) {
    this.#edge = edge;
    this.name = edge.metadata.name;
    this.context = context;
    this.#log = context.log.with({ device: this.name });
    const { kube, queue, clock } = context;
    this.link = new DeviceLink(this, context);
    this.rotation = new KeyRotation({
      device: this,
      credential: this.credential,
      link: this.link,
      queue,
      log: this.#log,
      signal: this.#stop.signal,
    });
    this.pods = new PodControl({
      node: this.name,
      createController: () => this.#createPodController(),
    });
    this.handlers = new DeviceHandlers({
      device: this.name,
      session: this.link.session,
      link: new DeviceLinkState(this),
      pods: new DevicePodDirectory({
        node: this,
        pods: this.pods,
        sources: kube.sources,
        namespace: kube.namespace,
      }),
      settings: new DevicePodSettings(this),
      clock,
    });
    const node = kube.stores.nodes.get(this.name);
    if (node && isOurNode(edge, node)) this.onNodeOurs();
  }

  /** The EdgeDevice as it was observed last. */
  get edge(): EdgeDevice {
    return this.#edge;
  }

  /**
   * Adopts the EdgeDevice unless it is older than the present one, which happens when an informer
   * is behind this process' own writes. Returns whether it was adopted.
   */
  observeEdge(edge: EdgeDevice): boolean {
    if (revisionOf(edge) < revisionOf(this.#edge)) return false;
    this.#edge = edge;
    return true;
  }

  /** The EdgeDevice's settings, with defaults. */
  get settings(): DeviceSettings {
    return this.context.settings.of(this.#edge);
  }

  /** Whether this version implements the device's connectivity method. */
  get isServed(): boolean {
    return this.#edge.spec?.connectivity?.method !== "mqtt";
  }

  /**
   * Returns the keys that an agent may prove itself with; undefined when the device has none yet.
   * Reads the Secret if no reconciliation has done that, so that agents needn't wait for it.
   */
  findKeys(): CredentialKeys | undefined {
    if (!this.credential.keys) {
      const { namespace, stores } = this.context.kube;
      const secret = stores.secrets.get(
        `${namespace}/${agentSecretName(this.name)}`,
      );
      if (secret && ownership(this.#edge, secret) === "ours") {
        this.credential.adopt(secret);
      }
    }
    return this.credential.keys;
  }

  /** Problems that are not about the device's objects. */
  get problems(): ProblemCondition[] {
    const { node, certInfo } = this.#edge.spec ?? {};
    const problems: ProblemCondition[] = [];
    if (this.link.hasDuplicate) problems.push(DUPLICATE_DEVICE);
    if (this.#unsupportedVersion !== undefined && !this.link.isUp) {
      problems.push(unsupportedVersion(this.#unsupportedVersion));
    }
    if ((node?.cert ?? certInfo)?.org) problems.push(ORGANIZATION_LEFT_OUT);
    if (!this.isServed) problems.push(MQTT_NOT_SUPPORTED);
    problems.push(...this.settings.ignored.map(settingIgnored));
    problems.push(...this.context.kubelets.certificateProblems(this.name));
    return problems;
  }

  /** What the Node offers; see {@linkcode PodNode.allocatable}. */
  get allocatable(): PodNode["allocatable"] {
    const size = () => this.#readSize();
    return {
      get cpuMillis() {
        return size().cpuMillis;
      },
      get memoryBytes() {
        return size().memoryBytes;
      },
    };
  }

  /** See {@linkcode PodNode.podSwitches}. */
  get podSwitches(): PodNode["podSwitches"] {
    return this.link.podSwitches;
  }

  /** See {@linkcode PodNode.pressures}. */
  get pressures(): PodNode["pressures"] {
    return this.link.pressures;
  }

  /** Whether the Node exists and is the device's own. */
  get ownsNode(): boolean {
    return this.#node === "ours";
  }

  /** Whether pods that are bound to the Node were bound while it was the device's own. */
  get ownsPods(): boolean {
    return this.#node === "ours" || this.#node === "deleted";
  }

  /**
   * Stops controlling pods when the Node was deleted or replaced; the next reconciliation finds out
   * whose it is now.
   */
  observeNode(node: Node | undefined): void {
    if (!node || !isOurNode(this.#edge, node)) this.onNodeDeleted();
  }

  /** The Node is the device's own: its pods are controlled. */
  onNodeOurs(): void {
    this.#node = "ours";
    this.pods.start();
  }

  /** The Node was deleted; whoever registers first has the name now. */
  onNodeDeleted(): void {
    if (this.#node !== "ours") return;
    this.#node = "deleted";
    void this.pods.stop();
  }

  /** Another kubelet has the Node. Resolves when the device's pods are no longer controlled. */
  async onNodeForeign(): Promise<void> {
    this.#node = "foreign";
    await this.pods.stop();
  }

  /** Returns whether this is the name of the device's virtual pod. */
  isVirtualPod(ref: ObjectRef): boolean {
    return ref.name === this.name &&
      ref.namespace === this.context.kube.namespace;
  }

  /** Returns whether a pod of the virtual pod's name was made for this device, now or earlier. */
  ownsVirtualPod(pod: Pod): boolean {
    return ownership(this.#edge, pod) !== "foreign";
  }

  /**
   * Runs the link of an agent until it ends, unless its key is no longer accepted. Never rejects.
   */
  async accept(agent: SecuredAgent): Promise<void> {
    await this.link.accept(agent, this.#stop.signal);
  }

  /** See {@linkcode DeviceLinkOwner.acceptsKey}. */
  acceptsKey(key: Uint8Array): boolean {
    return this.credential.accepts(key);
  }

  /** See {@linkcode DeviceLinkOwner.onLinkUp}. */
  onLinkUp(key: Uint8Array): void {
    this.#unsupportedVersion = undefined;
    this.rotation.onLinkUp(key);
  }

  /** Reports an agent whose version isn't supported, until a link is up. */
  onVersionUnsupported(message: string): void {
    if (this.link.isUp || this.#unsupportedVersion === message) return;
    this.#unsupportedVersion = message;
    this.onStateChanged();
  }

  /**
   * Closes the link and refuses the credential, after its Secret was deleted. The next
   * reconciliation makes a new one.
   */
  revoke(): void {
    this.credential.revoke();
    this.link.closeUnlessAccepted("the device's credential was revoked");
  }

  /** Sends the device its configuration, now or with its next link, unless it has it already. */
  configure(podCidr: string): void {
    const { endpoints, hasAllEndpoints } = this.settings;
    this.link.configure(create(ConfigureSchema, {
      podCidr,
      nodeName: this.name,
      dns: toPodDns(this.#edge),
      endpoints: hasAllEndpoints ? [...endpoints] : [],
    }));
  }

  /** Closes kubelet server, link and pod controller. May be called twice. */
  async close(error: AranyaError): Promise<void> {
    this.#stop.abort(error);
    await Promise.allSettled([
      this.kubelet?.close(error.message),
      this.link.close(error),
      this.pods.close(),
    ]);
    await this.rotation.settled();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(
      new AranyaError(
        "unavailable",
        `Cannot serve device "${this.name}": it is no longer served by this operator`,
      ),
    );
  }

  /** See {@linkcode DeviceLinkOwner.onConnected}. */
  onConnected(capabilities: readonly string[]): void {
    this.pods.onDeviceConnected({ capabilities });
  }

  /** See {@linkcode DeviceLinkOwner.onOffline}. */
  onOffline(): void {
    this.pods.onDeviceOffline();
  }

  /** See {@linkcode DeviceLinkOwner.onStateChanged}. */
  onStateChanged(): void {
    this.context.queue.enqueue(this.name, { afterMs: STATE_CHANGE_DELAY_MS });
  }

  /** See {@linkcode DeviceLinkOwner.onPodSwitchesChanged}. */
  onPodSwitchesChanged(): void {
    this.pods.onSwitchesChanged();
  }

  /** See {@linkcode DeviceLinkOwner.onPodsReported}. */
  onPodsReported(list: PodStatusList): Promise<void> {
    return this.pods.onPodsReported(list);
  }

  /** Records Events of pods at the pods, all others at the EdgeDevice. */
  onEventsReported(list: EventList): void {
    for (const { warning, reason, message } of this.pods.recordEvents(list)) {
      const type = warning ? "Warning" : "Normal";
      this.recordEvent({ type, reason, message, host: this.name });
    }
  }

  /** Records an Event about the EdgeDevice. */
  recordEvent(event: Omit<NewEvent, "involvedObject">): void {
    const { kube } = this.context;
    const { controller: _controller, ...reference } = ownerOf(this.#edge);
    kube.events.record({
      ...event,
      involvedObject: { ...reference, namespace: kube.namespace },
    });
  }

  /** See {@linkcode DeviceLinkOwner.fetchBlobs}. */
  fetchBlobs(request: FetchBlobs): Promise<Blobs> {
    return this.pods.fetchBlobs(request);
  }

  #createPodController(): PodController {
    const { kube, limits, meter, clock } = this.context;
    return new PodController({
      node: this,
      settings: new DevicePodSettings(this),
      client: kube.podClient,
      sources: kube.sources,
      events: kube.events,
      session: this.link.session,
      memory: limits.statuses.join(),
      log: this.#log,
      meter,
      clock,
    });
  }

  #readSize(): { cpuMillis: number; memoryBytes: number } {
    const { size } = this.link;
    if (size) return size;
    throw new AranyaError(
      "unavailable",
      `Cannot read allocatable resources of node "${this.name}": its device has not reported them yet`,
    );
  }
}

// SPDX-License-Identifier: Apache-2.0
/** One living EdgeDevice: its link, lanes and kubelet server, and the look at everything that makes its objects right. */
import { AranyaError, equalBytes } from "../../shared/base/mod.ts";
import type { Link } from "../../shared/link/mod.ts";
import type { EdgeDevice, ObjectRef } from "../kube/mod.ts";
import type { KubeletHandlers, KubeletServer } from "../kubelet/mod.ts";
import {
  ConfigureSchema,
  create,
  encodeMessage,
  Method,
  RotateCredentialSchema,
} from "../../shared/wire/mod.ts";
import type { DeviceContext, DeviceSettings } from "./context.ts";
import { Credential, type CredentialKeys } from "./credential.ts";
import { DeviceLink } from "./link.ts";
import {
  DeviceLinkState,
  DevicePodDirectory,
  DevicePodSettings,
  toPodDns,
} from "./pod_dependencies.ts";
import { PodController, type PodNode } from "../pods/mod.ts";
import type { Trouble } from "./status.ts";
import { DeviceHandlers } from "../proxy/mod.ts";

/** Who got through the handshake. */
export interface SecuredAgent {
  link: Link;
  /** Whether it proved itself with the former credential. */
  usedPrevious: boolean;
}

/** The living parts of one EdgeDevice. Its objects are made right by {@linkcode reconcileDevice}. */
export class Device implements AsyncDisposable, PodNode {
  readonly name: string;
  readonly context: DeviceContext;
  readonly credential = new Credential();
  readonly link: DeviceLink;
  readonly pods: PodController;
  readonly handlers: KubeletHandlers;
  /** There after the first look. */
  kubelet: KubeletServer | undefined;
  /** An agent whose protocol version is not served; told by the handshake, until a link comes up. */
  strangeVersion: string | undefined;
  /** What was sent by the last {@linkcode configure}. */
  #configured: Uint8Array | undefined;
  #edge: EdgeDevice;
  #rotation: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(edge: EdgeDevice, context: DeviceContext) {
    this.#edge = edge;
    this.name = edge.metadata.name;
    this.context = context;
    const wake = () => context.wake(this.name, { afterMs: 100 });
    this.link = new DeviceLink({
      device: this.name,
      context,
      inbox: {
        onPods: (list) => this.pods.onPodsReported(list),
        onEvents: (list) => this.#onEvents(this.pods.recordEvents(list)),
        fetchBlobs: (request) => this.pods.fetchBlobs(request),
      },
      offlineAfterMs: () => this.settings.offlineAfterMs,
      requestTimeoutMs: () => this.settings.requestTimeoutMs,
      onReady: (capabilities) => this.pods.onDeviceConnected({ capabilities }),
      onGone: () => this.pods.onDeviceOffline(),
      onChange: wake,
    });
    this.pods = new PodController({
      node: this,
      settings: new DevicePodSettings(this),
      client: context.client,
      sources: context.sources,
      events: context.events,
      session: this.link.session,
      log: context.log.with({ device: this.name }),
      meter: context.meter,
      clock: context.clock,
    });
    this.handlers = this.#createHandlers();
  }

  /** The EdgeDevice as it was seen last. */
  get edge(): EdgeDevice {
    return this.#edge;
  }

  /** An older state than the one that is known is ignored: an informer may be behind our own writes. */
  set edge(edge: EdgeDevice) {
    const version = (of: EdgeDevice) => Number(of.metadata.resourceVersion);
    if (version(edge) < version(this.#edge)) return;
    this.#edge = edge;
  }

  /** What the EdgeDevice asks for, with defaults. */
  get settings(): DeviceSettings {
    return this.context.settingsOf(this.#edge);
  }

  /** What an agent may prove itself with; undefined: not known yet, it is to come again. */
  get keys(): CredentialKeys | undefined {
    return this.credential.keys;
  }

  /** What only the living parts know. */
  get troubles(): Trouble[] {
    const { rival, up } = this.link;
    const { node, certInfo, connectivity } = this.#edge.spec ?? {};
    const troubles: Trouble[] = [];
    if (rival !== undefined) {
      troubles.push({
        type: "DuplicateDevice",
        reason: "MachineRefused",
        message:
          "another machine with the same credential tried to connect and was refused",
        fatal: false,
      });
    }
    if (this.strangeVersion !== undefined && !up) {
      troubles.push({
        type: "VersionNotServed",
        reason: "AgentVersion",
        message: this.strangeVersion,
        fatal: false,
      });
    }
    if ((node?.cert ?? certInfo)?.org) {
      troubles.push({
        type: "CertificateIncomplete",
        reason: "OrganizationLeftOut",
        message:
          "the signer kubernetes.io/kubelet-serving demands organization system:nodes: org is left out",
        fatal: false,
      });
    }
    if (connectivity?.method === "mqtt") {
      troubles.push({
        type: "NotSupported",
        reason: "NotSupported",
        message: "connectivity by mqtt is not served by this version, use grpc",
        fatal: true,
      });
    }
    return troubles;
  }

  /** What the Node offers; its properties throw "unavailable" until the device has reported them. */
  get allocatable(): PodNode["allocatable"] {
    return toAllocatable(this);
  }

  /** Whether this names the pod that stands for the host. */
  isVirtualPod(ref: ObjectRef): boolean {
    return ref.name === this.name && ref.namespace === this.context.namespace;
  }

  /** Runs a link of an agent that proved itself, until it ends. Never rejects. */
  async accept({ link, usedPrevious }: SecuredAgent): Promise<void> {
    this.strangeVersion = undefined;
    if (this.credential.rotating && !usedPrevious) this.#confirmRotation();
    await this.link.accept(link, this.#stop.signal);
  }

  /** An agent of a version that is not served claims to be this device. It is not proven: shown only while no link is up. */
  noteVersion(message: string): void {
    if (this.link.up || this.strangeVersion === message) return;
    this.strangeVersion = message;
    this.context.wake(this.name, { afterMs: 100 });
  }

  /** The Secret was deleted: the link ends at once, and its credential is refused from now on. */
  revoke(): void {
    this.credential.revoke();
    this.link.end("the device's credential was revoked");
    this.context.wake(this.name);
  }

  /** What the device is to know; sent only when it differs. */
  configure(podCidr: string): void {
    const wanted = create(ConfigureSchema, {
      podCidr,
      nodeName: this.name,
      dns: toPodDns(this.#edge),
    });
    const bytes = encodeMessage(ConfigureSchema, wanted);
    if (this.#configured && equalBytes(this.#configured, bytes)) return;
    this.#configured = bytes;
    this.link.configure(wanted);
  }

  /** Gives the new credential to the device when one waits and the link is up; one try at a time. */
  pushRotation(): void {
    if (!this.credential.rotating || !this.link.up || this.#rotation) return;
    const key = this.credential.keys?.key;
    if (!key) return;
    this.#rotation = this.#rotate(key).finally(() => {
      this.#rotation = undefined;
    });
  }

  async close(error: AranyaError): Promise<void> {
    this.#stop.abort(error);
    await Promise.allSettled([
      this.kubelet?.close(error.message),
      this.link.close(error),
      this.pods.close(),
    ]);
    await this.#rotation;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(
      new AranyaError(
        "unavailable",
        `Cannot go on with device "${this.name}": it is no longer served by this operator`,
      ),
    );
  }

  async #rotate(key: Uint8Array): Promise<void> {
    const log = this.context.log.with({ device: this.name });
    try {
      await this.link.session.request(
        Method.ROTATE_CREDENTIAL,
        encodeMessage(RotateCredentialSchema, { key }),
        {
          timeoutMs: this.settings.requestTimeoutMs,
          signal: this.#stop.signal,
        },
      );
      const held = this.credential.keys?.key;
      if (held && equalBytes(held, key)) this.#confirmRotation();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      log.warn("device did not take its new credential", { error });
      this.context.wake(this.name, { afterMs: 10_000 });
    }
  }

  #confirmRotation(): void {
    this.credential.confirm();
    this.context.log.info("credential was rotated", { device: this.name });
    this.context.wake(this.name);
  }

  #onEvents(events: { warning: boolean; reason: string; message: string }[]) {
    for (const { warning, reason, message } of events) {
      this.context.events.record({
        involvedObject: {
          apiVersion: "aranya.arhat.dev/v1alpha1",
          kind: "EdgeDevice",
          name: this.name,
          namespace: this.context.namespace,
          uid: this.#edge.metadata.uid ?? "",
        },
        type: warning ? "Warning" : "Normal",
        reason,
        message,
        host: this.name,
      });
    }
  }

  #createHandlers(): KubeletHandlers {
    return new DeviceHandlers({
      device: this.name,
      session: this.link.session,
      link: new DeviceLinkState(this),
      pods: new DevicePodDirectory(this),
      settings: new DevicePodSettings(this),
      clock: this.context.clock,
    });
  }
}

/** What the Node offers; read only for pods that ask for it. */
function toAllocatable({ name, link }: Device) {
  const read = () => {
    if (link.size) return link.size;
    throw new AranyaError(
      "unavailable",
      `Cannot tell what node "${name}" offers: its device has not reported yet`,
    );
  };
  return {
    get cpuMillis() {
      return read().cpuMillis;
    },
    get memoryBytes() {
      return read().memoryBytes;
    },
  };
}

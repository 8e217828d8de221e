// SPDX-License-Identifier: Apache-2.0
/**
 * One look at everything that an EdgeDevice becomes, and the writes that make it right; nothing is written that is right already.
 * Order: finalizer, kubelet server, Node, then everything else at once, status last.
 */
import {
  asAranyaError,
  type Backoff,
  createBackoff,
} from "../../shared/base/mod.ts";
import {
  EDGE_DEVICE,
  ENDPOINT_SLICE,
  type KubeObject,
  LEASE,
  NODE,
  type Node,
  POD,
  type Pod,
  type ReportedFacts,
  SERVICE,
} from "../kube/mod.ts";
import { AgentSecret } from "./agent_secret.ts";
import type { Device } from "./device.ts";
import {
  isOurNode,
  type NodeWish,
  toMarksPatch,
  toNode,
  toStatusPatch,
} from "./node.ts";
import {
  covers,
  FINALIZER,
  LEASE_NAMESPACE,
  ROTATE_ANNOTATION,
  toEndpointSlice,
  toLease,
  toMicroTime,
  toService,
} from "./objects.ts";
import { toEdgeStatusPatch, toSetback, type Trouble } from "./status.ts";
import { isSpent, toVirtualPod, toVirtualPodPatch } from "./virtual_pod.ts";
import { all, Writer } from "./writer.ts";

const CONFLICT_RETRY_MS = 30_000;

/** The objects of one device. Calls of `reconcile` must not overlap. */
export class DeviceObjects {
  readonly #device: Device;
  readonly #writer: Writer;
  readonly #podBackoff: Backoff = createBackoff({
    initialDelayMs: 500,
    maxDelayMs: 60_000,
  });
  #podCreatedMs = -Infinity;
  #podDueMs = 0;
  #podSeen = false;
  #troubles: Trouble[] = [];
  readonly #secret: AgentSecret;

  constructor(device: Device) {
    this.#device = device;
    this.#writer = new Writer(device.context.client);
    this.#secret = new AgentSecret(device, this.#writer);
  }

  /** An informer saw that an object is gone: our own write of it no longer counts. */
  forget(kind: string): void {
    this.#writer.forget(kind);
  }

  /** The newer one of what an informer holds and what we wrote. */
  latest<T extends KubeObject>(
    kind: string,
    stored: T | undefined,
  ): T | undefined {
    return this.#writer.latest(kind, stored);
  }

  /**
   * Makes everything right.
   * @throws {AranyaError} what kept it from being complete, after it was shown in the status: look again later
   */
  async reconcile(signal: AbortSignal): Promise<void> {
    const device = this.#device;
    this.#troubles = [];
    this.#writer.begin(device.edge);
    const served = device.edge.spec?.connectivity?.method !== "mqtt";
    const podCidr = served ? this.#claimAddresses() : "";
    let failure: unknown;
    try {
      if (served) await this.#ensureObjects(podCidr, signal);
    } catch (error) {
      failure = error;
    }
    // While the API server is away there is nothing to write to.
    if (!isAway(failure)) {
      await this.#writeStatus({ podCidr, failure, signal });
    }
    if (failure) throw failure;
    if (this.#writer.conflicts.length > 0) {
      device.context.wake(device.name, { afterMs: CONFLICT_RETRY_MS });
    }
  }

  async #ensureObjects(podCidr: string, signal: AbortSignal): Promise<void> {
    const device = this.#device;
    await this.#ensureFinalizer(signal);
    await this.#openKubelet();
    const node = await this.#ensureNode(podCidr, signal);
    if (!node) return;
    await all([
      this.#ensureLease(node, signal),
      this.#secret.ensure(signal),
      this.#ensureService(signal),
      this.#ensureSlice(signal),
      this.#ensurePod(signal),
    ]);
    device.configure(node.spec?.podCIDR ?? podCidr);
    device.pushRotation();
    if (device.kubelet) {
      device.context.kubelets.requestCertificate(device.edge, device.kubelet);
    }
  }

  /** What the device said last: in this process, else as it was written down. */
  get #facts(): ReportedFacts | undefined {
    return this.#device.link.reported ?? this.#device.edge.status?.reported;
  }

  #claimAddresses(): string {
    const { edge, context, name } = this.#device;
    const given = context.stores.nodes.get(name)?.spec?.podCIDR;
    const claim = context.addresses.claim(name, {
      assigned: given ?? edge.spec?.pod?.cidr,
      previous: edge.status?.podCIDR,
    });
    if (claim.overlapsWith) {
      this.#troubles.push({
        type: "AddressConflict",
        reason: "RangeOverlaps",
        message:
          `pod range ${claim.cidr} overlaps the range of ${claim.overlapsWith}`,
        fatal: false,
      });
    }
    return claim.cidr;
  }

  async #ensureFinalizer(signal: AbortSignal): Promise<void> {
    const { edge, context, name } = this.#device;
    const finalizers = edge.metadata.finalizers ?? [];
    const rotated = this.#secret.rotated;
    if (finalizers.includes(FINALIZER) && !rotated) return;
    this.#device.edge = await context.client.patch(EDGE_DEVICE, {
      namespace: context.namespace,
      name,
    }, {
      signal,
      body: {
        metadata: {
          resourceVersion: edge.metadata.resourceVersion,
          ...(finalizers.includes(FINALIZER)
            ? {}
            : { finalizers: [...finalizers, FINALIZER] }),
          ...(rotated ? { annotations: { [ROTATE_ANNOTATION]: null } } : {}),
        },
      },
    });
    if (rotated) this.#secret.rotationIsOver();
  }

  async #openKubelet(): Promise<void> {
    const device = this.#device;
    if (device.kubelet) return;
    const { context, edge, name } = device;
    const node = context.stores.nodes.get(name);
    const former = node && isOurNode(edge, node)
      ? node.status?.daemonEndpoints?.kubeletEndpoint?.Port
      : Number(edge.status?.kubeletEndpoint?.match(/:(\d+)$/)?.[1] ?? 0);
    device.kubelet = await context.kubelets.open(name, {
      wantedPort: former || undefined,
      handlers: device.handlers,
    });
  }

  #nodeWish(podCidr: string): NodeWish {
    const { edge, context, kubelet, link } = this.#device;
    return {
      edge,
      addresses: context.host.addresses,
      kubeletPort: kubelet?.port ?? 0,
      kubeletVersion: context.kubeletVersion,
      podCidr,
      facts: this.#facts,
      measured: link.measured,
      nowMs: context.clock.wallMs(),
    };
  }

  /** @returns undefined when the name belongs to somebody else */
  async #ensureNode(
    podCidr: string,
    signal: AbortSignal,
  ): Promise<Node | undefined> {
    const { edge, context, name } = this.#device;
    const { client } = context;
    const wish = this.#nodeWish(podCidr);
    const stored = this.#writer.latest(
      NODE.kind,
      context.stores.nodes.get(name),
    );
    let node = stored ??
      await this.#writer.create(NODE, toNode(wish), {
        signal,
        ours: (found) => isOurNode(edge, found) ? "ours" : "foreign",
      });
    if (!node || !isOurNode(edge, node)) {
      if (node) this.#writer.addConflict(NODE.kind, name);
      return undefined;
    }
    const marks = toMarksPatch(wish, node);
    if (marks) {
      node = await client.patch(NODE, { name }, { body: marks, signal });
    }
    const status = toStatusPatch(wish, node);
    if (status) {
      node = await client.patch(NODE, { name }, {
        body: status,
        kind: "strategic",
        subresource: "status",
        signal,
      });
    }
    if (marks || status) this.#writer.note(NODE.kind, node);
    return node;
  }

  async #ensureLease(node: Node, signal: AbortSignal): Promise<void> {
    const { edge, context, name } = this.#device;
    const ref = { namespace: LEASE_NAMESPACE, name };
    const wanted = toLease(edge, {
      uid: node.metadata.uid ?? "",
      renewTime: toMicroTime(context.clock.wallMs()),
    });
    const lease = this.#writer.latest(
      LEASE.kind,
      context.stores.leases.get(`${LEASE_NAMESPACE}/${name}`),
    ) ?? await this.#writer.create(LEASE, wanted, {
      signal,
      ours: () => "ours",
    });
    if (!lease) return;
    const { labels, ownerReferences } = wanted.metadata;
    if (!covers(lease.metadata, { labels, ownerReferences })) {
      this.#writer.note(
        LEASE.kind,
        await context.client.patch(LEASE, ref, {
          body: { metadata: { labels, ownerReferences } },
          signal,
        }),
      );
    }
  }

  async #ensureService(signal: AbortSignal): Promise<void> {
    const { edge, context, name } = this.#device;
    const wanted = toService(edge, context.host.grpcPort);
    await this.#writer.ensure(SERVICE, wanted, {
      stored: context.stores.services.get(`${context.namespace}/${name}`),
      signal,
      patch: ({ metadata, spec }) => {
        const { labels } = wanted.metadata;
        const ports = wanted.spec?.ports;
        return covers({ metadata, spec }, {
            metadata: { labels },
            spec: { ports },
          })
          ? undefined
          : { metadata: { labels }, spec: { ports, selector: null } };
      },
    });
  }

  async #ensureSlice(signal: AbortSignal): Promise<void> {
    const { edge, context, name } = this.#device;
    const wanted = toEndpointSlice(edge, context.host);
    const { endpoints, ports, addressType } = wanted;
    const { labels } = wanted.metadata;
    const stored = this.#writer.latest(
      ENDPOINT_SLICE.kind,
      context.stores.slices.get(`${context.namespace}/${name}`),
    );
    if (stored && stored.addressType !== addressType) {
      // The family can't be changed.
      await this.#writer.remove(ENDPOINT_SLICE, stored, signal);
    }
    await this.#writer.ensure(ENDPOINT_SLICE, wanted, {
      stored: stored?.addressType === addressType ? stored : undefined,
      signal,
      patch: (actual) =>
        covers(actual, { endpoints, ports, metadata: { labels } })
          ? undefined
          : { endpoints, ports, metadata: { labels } },
    });
  }

  async #ensurePod(signal: AbortSignal): Promise<void> {
    const { edge, context, name } = this.#device;
    const key = `${context.namespace}/${name}`;
    let pod = this.#writer.latest(POD.kind, context.sources.findPod(key));
    if (pod && this.#writer.ownership(pod) === "foreign") {
      return this.#writer.addConflict(POD.kind, key);
    }
    if (pod && isSpent(pod, { name, uid: edge.metadata.uid ?? "" })) {
      await this.#writer.remove(POD, pod, signal);
      pod = undefined;
      this.#podSeen = true;
    }
    if (!pod) {
      const nowMs = context.clock.monotonicMs();
      if (this.#podSeen && !this.#mayCreatePod(nowMs)) {
        return context.wake(name, { afterMs: this.#podDueMs - nowMs });
      }
      pod = await this.#writer.create(POD, toVirtualPod(edge), {
        signal,
        ours: (found) => this.#writer.ownership(found),
      });
      this.#podCreatedMs = nowMs;
      this.#podDueMs = 0;
    }
    this.#podSeen = true;
    if (pod) await this.#writePodStatus(pod, signal);
  }

  /** A pod that is deleted again and again comes back more and more slowly. */
  #mayCreatePod(nowMs: number): boolean {
    if (this.#podDueMs === 0) {
      if (nowMs - this.#podCreatedMs > 60_000) this.#podBackoff.reset();
      this.#podDueMs = nowMs + this.#podBackoff.next();
    }
    return nowMs >= this.#podDueMs;
  }

  async #writePodStatus(pod: Pod, signal: AbortSignal): Promise<void> {
    const { edge, context, link, name } = this.#device;
    const state = link.stateOf(edge);
    const body = toVirtualPodPatch(pod, {
      ...state,
      facts: this.#facts,
      nowMs: context.clock.wallMs(),
    });
    if (!body) return;
    this.#writer.note(
      POD.kind,
      await context.client.patch(POD, { namespace: context.namespace, name }, {
        body,
        kind: "strategic",
        subresource: "status",
        signal,
      }),
    );
  }

  async #writeStatus(options: {
    podCidr: string;
    failure: unknown;
    signal: AbortSignal;
  }): Promise<void> {
    const { edge, context, link, kubelet, name } = this.#device;
    const { failure, podCidr } = options;
    const address = context.host.addresses[0] ?? "";
    const body = toEdgeStatusPatch({
      edge,
      link: link.stateOf(edge),
      setback: failure === undefined ? undefined : toSetback(failure),
      troubles: [
        ...this.#writer.conflicts,
        ...this.#troubles,
        ...this.#device.troubles,
      ],
      agentVersion: link.agentVersion,
      podCidr: context.stores.nodes.get(name)?.spec?.podCIDR ?? podCidr,
      kubeletEndpoint: kubelet &&
        `${address.includes(":") ? `[${address}]` : address}:${kubelet.port}`,
      reported: link.reported,
      nowMs: context.clock.wallMs(),
    });
    if (!body) return;
    this.#device.edge = await context.client.patch(EDGE_DEVICE, {
      namespace: context.namespace,
      name,
    }, { body, subresource: "status", signal: options.signal });
  }
}

function isAway(error: unknown): boolean {
  if (error === undefined) return false;
  const { code } = asAranyaError(error, "");
  return code === "cancelled" || code === "unauthorized";
}

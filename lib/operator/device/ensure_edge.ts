// SPDX-License-Identifier: Apache-2.0
/** Steps of a reconciliation that write the EdgeDevice itself. */
import { formatEndpoint } from "../../shared/base/mod.ts";
import { EDGE_DEVICE } from "../kube/mod.ts";
import type { AgentSecret } from "./agent_secret.ts";
import { toConditionEvents } from "./condition_events.ts";
import type { Device } from "./device.ts";
import { ownNodeOf } from "./ensure_node.ts";
import { FINALIZER, ROTATE_ANNOTATION } from "./metadata.ts";
import type { ProblemCondition } from "./problems.ts";
import { type ReconcileError, toEdgeStatusPatch } from "./status.ts";

/**
 * Adds the finalizer, and removes the annotation that requested a rotation once that is complete;
 * both in one write.
 */
export async function ensureFinalizer(
  device: Device,
  { secret, signal }: { secret: AgentSecret; signal: AbortSignal },
): Promise<void> {
  const { edge, name, context: { kube: { client, namespace } } } = device;
  const { finalizers = [], resourceVersion } = edge.metadata;
  const hasFinalizer = finalizers.includes(FINALIZER);
  const { isRotationComplete } = secret;
  if (hasFinalizer && !isRotationComplete) return;
  device.observeEdge(
    await client.patch(EDGE_DEVICE, { namespace, name }, {
      signal,
      body: {
        metadata: {
          resourceVersion,
          ...(hasFinalizer ? {} : { finalizers: [...finalizers, FINALIZER] }),
          ...(isRotationComplete
            ? { annotations: { [ROTATE_ANNOTATION]: null } }
            : {}),
        },
      },
    }),
  );
  if (isRotationComplete) secret.acceptNextRotation();
}

/**
 * Writes the EdgeDevice's status when it has changed, and records Events of its conditions.
 * @throws {AranyaError} "conflict" when the EdgeDevice is not the one that was observed last:
 * changed, or deleted and created again
 */
export async function writeStatus(device: Device, options: {
  /** Range of the device's pods; empty: none. */
  podCidr: string;
  /** What keeps reconciliations from being completed; undefined: nothing. */
  reconcileError: ReconcileError | undefined;
  /** Problems with the device's objects. */
  problems: readonly ProblemCondition[];
  signal: AbortSignal;
}): Promise<void> {
  const { edge, link, kubelet, name, context } = device;
  const { operator, clock, kube: { client, namespace } } = context;
  const { reconcileError, podCidr, problems, signal } = options;
  const body = toEdgeStatusPatch({
    edge,
    link: link.toConnectedCondition(edge),
    reconcileError,
    problems: [...problems, ...device.problems],
    agentVersion: link.agentVersion,
    podCidr: ownNodeOf(device)?.spec?.podCIDR ?? podCidr,
    kubeletEndpoint: kubelet && formatEndpoint({
      host: operator.addresses[0] ?? "",
      port: kubelet.port,
    }),
    reported: link.reported,
    nowMs: clock.wallMs(),
  });
  if (!body) return;
  const written = await client.patch(EDGE_DEVICE, { namespace, name }, {
    // For the status of a custom resource the API server ignores a UID in a merge patch.
    body: {
      ...body,
      metadata: { resourceVersion: edge.metadata.resourceVersion },
    },
    subresource: "status",
    signal,
  });
  device.observeEdge(written);
  const events = toConditionEvents(
    edge.status?.conditions,
    written.status?.conditions,
  );
  for (const event of events) device.recordEvent(event);
}

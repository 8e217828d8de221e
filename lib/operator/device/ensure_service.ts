// SPDX-License-Identifier: Apache-2.0
/** Steps of a reconciliation for the device's Service and its EndpointSlice. */
import { ENDPOINT_SLICE, SERVICE } from "../kube/mod.ts";
import { covers } from "./covers.ts";
import type { Device } from "./device.ts";
import { toEndpointSlice, toService } from "./objects.ts";
import type { ObjectWriter } from "./writer.ts";

/** Options of these steps. */
interface StepOptions {
  writer: ObjectWriter;
  signal: AbortSignal;
}

/** Creates or updates the Service. */
export async function ensureService(
  { edge, name, context }: Device,
  { writer, signal }: StepOptions,
): Promise<void> {
  const { operator, kube: { namespace, stores } } = context;
  const desired = toService(edge, operator.grpcPort);
  await writer.ensure(SERVICE, desired, {
    stored: stores.services.get(`${namespace}/${name}`),
    signal,
    toPatch: ({ metadata, spec }) => {
      const { labels } = desired.metadata;
      const ports = desired.spec?.ports;
      const fields = { metadata: { labels }, spec: { ports } };
      return covers({ metadata, spec }, fields)
        ? undefined
        : { metadata: { labels }, spec: { ports, selector: null } };
    },
  });
}

/** Creates or updates the EndpointSlice. */
export async function ensureEndpointSlice(
  { edge, name, context }: Device,
  { writer, signal }: StepOptions,
): Promise<void> {
  const { operator, kube: { namespace, stores } } = context;
  const desired = toEndpointSlice(edge, operator);
  const { endpoints, ports, addressType } = desired;
  const { labels } = desired.metadata;
  let stored = writer.latest(
    ENDPOINT_SLICE.kind,
    stores.slices.get(`${namespace}/${name}`),
  );
  if (
    stored && stored.addressType !== addressType &&
    writer.ownership(stored) === "ours"
  ) {
    // The field is immutable, so the slice has to be created again.
    await writer.delete(ENDPOINT_SLICE, stored, signal);
    stored = undefined;
  }
  const fields = { endpoints, ports, metadata: { labels } };
  await writer.ensure(ENDPOINT_SLICE, desired, {
    stored,
    signal,
    toPatch: (actual) => covers(actual, fields) ? undefined : fields,
  });
}

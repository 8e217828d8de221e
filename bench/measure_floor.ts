// SPDX-License-Identifier: Apache-2.0
/** Measures the floor of a deployment. */
import { utf8 } from "../lib/shared/base/mod.ts";
import { createSigningRequest } from "../lib/operator/pki/mod.ts";
import { edgeDevice, NAMESPACE } from "../dev/world/mod.ts";
import { type BareApi, inParallel } from "./api.ts";
import type { WriteCounts } from "./audit.ts";
import { pathOf, replay } from "./floor.ts";

const FLOOR_NAMESPACE = "floor";

/** Objects by resource. */
export type Samples = Map<string, { metadata: Record<string, unknown> }>;

/** Figures of the floor. */
export interface FloorFigures {
  floorCreateSeconds: number;
  floorDeleteSeconds: number;
  /** Kinds of writes that were not sent. */
  leftOut: string[];
}

/** Returns one object of each resource, as the operator wrote it. */
export async function takeSamples(
  api: BareApi,
  resources: string[],
): Promise<Samples> {
  const samples: Samples = new Map();
  for (const resource of resources) {
    const selector =
      resource === "edgedevices" || resource === "certificatesigningrequests"
        ? ""
        : "?labelSelector=arhat.dev/name";
    const list = await api.call<
      {
        items: { metadata: Record<string, unknown> }[];
        kind: string;
        apiVersion: string;
      }
    >({
      method: "GET",
      path: pathOf(resource, { namespace: NAMESPACE }) + selector,
    });
    const item = list.items[0] ??
      (resource === "certificatesigningrequests"
        ? await makeRequest()
        : undefined);
    if (item) {
      samples.set(
        resource,
        {
          apiVersion: list.apiVersion,
          kind: list.kind.replace(/List$/, ""),
          ...item,
        } as { metadata: Record<string, unknown> },
      );
    }
  }
  return samples;
}

/**
 * Returns a signing request: the operator deletes its own when they are signed, so there is no
 * sample.
 */
async function makeRequest(): Promise<
  { metadata: Record<string, unknown> } & Record<string, unknown>
> {
  const { csr } = await createSigningRequest({
    subject: {
      commonName: "system:node:floor",
      organizations: ["system:nodes"],
    },
    ips: ["10.0.0.1"],
    dnsNames: [],
  });
  return {
    metadata: { name: "floor" },
    spec: {
      request: utf8(csr).toBase64(),
      signerName: "kubernetes.io/kubelet-serving",
      usages: ["digital signature", "server auth"],
    },
  };
}

/** Options of {@linkcode measureFloor}. */
export interface MeasureFloorOptions {
  api: BareApi;
  /** The operator's writes until the devices were usable, and while they were deleted. */
  creates: WriteCounts;
  deletes: WriteCounts;
  samples: Samples;
  /** Calls at the same time. */
  width: number;
}

/** Creates and deletes EdgeDevices without an operator, and sends its writes. */
export async function measureFloor(
  options: MeasureFloorOptions,
): Promise<FloorFigures> {
  const { api, samples, width } = options;
  const shared = { api, samples, namespace: FLOOR_NAMESPACE, width };
  await api.call({
    method: "POST",
    path: "/api/v1/namespaces",
    body: {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: FLOOR_NAMESPACE },
    },
  });
  const count = options.creates.get("patch edgedevices/status") ??
    options.creates.get("patch edgedevices") ?? 0;
  const names = Array.from({ length: count }, (_, index) => `floor-${index}`);
  // Creating and deleting EdgeDevices is part of the measured time, so it is part of the floor.
  const made = await timeInParallel(names, {
    width,
    work: (name) =>
      api.call({
        method: "POST",
        path: pathOf("edgedevices", { namespace: FLOOR_NAMESPACE }),
        body: {
          ...edgeDevice(name),
          metadata: { name, namespace: FLOOR_NAMESPACE },
        },
      }),
  });
  const create = await replay({ ...shared, counts: options.creates });
  const remove = await replay({ ...shared, counts: options.deletes });
  const removed = await timeInParallel(names, {
    width,
    work: (name) =>
      api.call({
        method: "DELETE",
        path: pathOf("edgedevices", { namespace: FLOOR_NAMESPACE, name }),
      }),
  });
  return {
    floorCreateSeconds: made + create.seconds,
    floorDeleteSeconds: remove.seconds + removed,
    leftOut: [...create.leftOut, ...remove.leftOut],
  };
}

/** Calls `work` for all names and returns the seconds it took. */
async function timeInParallel(
  names: string[],
  options: { width: number; work: (name: string) => Promise<unknown> },
): Promise<number> {
  const startedMs = performance.now();
  await inParallel(names, options);
  return (performance.now() - startedMs) / 1000;
}

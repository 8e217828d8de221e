// SPDX-License-Identifier: Apache-2.0
/**
 * The floor of a deployment: an operator's writes, counted by kind, sent again without an operator.
 */
import { AranyaError } from "../lib/shared/base/mod.ts";
import { type BareApi, type BareCall, inParallel } from "./api.ts";
import type { WriteCounts } from "./audit.ts";

/** Where the objects of a resource are in the API. */
interface Resource {
  /** `/api/v1` or `/apis/<group>/<version>` */
  base: string;
  namespace?: string;
}

type Json = Record<string, unknown> & { metadata: Record<string, unknown> };

/** Options of {@linkcode replay}. */
export interface ReplayOptions {
  api: BareApi;
  /** Writes to repeat. */
  counts: WriteCounts;
  /** One object of each resource, as the operator wrote it. */
  samples: ReadonlyMap<string, Json>;
  /** Namespace of the replayed objects. */
  namespace: string;
  /** Calls at the same time. */
  width: number;
}

const BASES: Record<string, string> = {
  leases: "/apis/coordination.k8s.io/v1",
  endpointslices: "/apis/discovery.k8s.io/v1",
  certificatesigningrequests: "/apis/certificates.k8s.io/v1",
  edgedevices: "/apis/aranya.arhat.dev/v1alpha1",
};
const CLUSTER_WIDE = new Set(["nodes", "certificatesigningrequests"]);
/** Not repeated: they have no object of which a sample could be taken. */
const LEFT_OUT = new Set([
  "subjectaccessreviews",
  "tokenreviews",
  "events",
]);

/** Returns the resources of the counts, in the order in which their objects can be created. */
export function resourcesOf(counts: WriteCounts): string[] {
  const named = [...counts.keys()].filter((kind) => !kind.startsWith("failed"))
    .map((kind) => (kind.split(" ")[1] ?? "").split("/")[0] ?? "");
  return [...new Set(named)].filter((resource) => !LEFT_OUT.has(resource));
}

/** Returns where the objects of a resource are. */
export function resourceOf(
  resource: string,
  options: { namespace: string },
): Resource {
  const base = BASES[resource] ?? "/api/v1";
  if (CLUSTER_WIDE.has(resource)) return { base };
  return {
    base,
    namespace: resource === "leases" ? "kube-node-lease" : options.namespace,
  };
}

/** Returns the path of a collection, or of one object in it. */
export function pathOf(
  resource: string,
  options: { namespace: string; name?: string; subresource?: string },
): string {
  const { base, namespace } = resourceOf(resource, options);
  const parts = [
    base,
    ...(namespace ? ["namespaces", namespace] : []),
    resource,
  ];
  if (options.name) parts.push(options.name);
  if (options.subresource) parts.push(options.subresource);
  return parts.join("/");
}

/**
 * Sends the writes, one kind after the other. Returns the seconds and the number of writes, and in
 * `leftOut` the kinds that have no sample.
 */
export async function replay(
  options: ReplayOptions,
): Promise<{ seconds: number; writes: number; leftOut: string[] }> {
  const { api, counts, samples, width } = options;
  const leftOut: string[] = [];
  let writes = 0;
  const startedMs = performance.now();
  for (const [kind, count] of counts) {
    const [verb = "", target = ""] = kind.split(" ");
    const [resource = ""] = target.split("/");
    const sample = samples.get(resource);
    if (kind.startsWith("failed") || LEFT_OUT.has(resource) || !sample) {
      leftOut.push(`${kind} ×${count}`);
      continue;
    }
    const indexes = Array.from({ length: count }, (_, index) => index);
    await inParallel(indexes, {
      width,
      work: (index) =>
        send(
          api,
          toCall({ verb, target, sample, index, namespace: options.namespace }),
        ),
    });
    writes += count;
  }
  return { seconds: (performance.now() - startedMs) / 1000, writes, leftOut };
}

/**
 * Sends a write. When it fails because its object is absent (fewer creates than patches), it counts
 * as sent.
 */
async function send(api: BareApi, call: BareCall): Promise<void> {
  try {
    await api.call(call);
  } catch (error) {
    if (
      !(error instanceof AranyaError) ||
      (error.code !== "not_found" && error.code !== "conflict")
    ) throw error;
  }
}

function toCall(
  options: {
    verb: string;
    target: string;
    sample: Json;
    index: number;
    namespace: string;
  },
): BareCall {
  const { verb, target, sample, index, namespace } = options;
  const [resource = "", subresource] = target.split("/");
  const name = `floor-${index}`;
  const at = { namespace, name, ...(subresource ? { subresource } : {}) };
  if (verb === "create" && !subresource) {
    return {
      method: "POST",
      path: pathOf(resource, { namespace }),
      body: rename(sample, {
        name,
        namespace: resourceOf(resource, { namespace }).namespace,
      }),
    };
  }
  if (verb === "delete") {
    return {
      method: "DELETE",
      path: pathOf(resource, at),
      body: { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0 },
    };
  }
  return {
    method: "PATCH",
    path: pathOf(resource, at),
    body: toPatch({ subresource, sample, index }),
    contentType: "application/merge-patch+json",
  };
}

/** Returns a patch that changes its object and has about the size of the operator's patch. */
function toPatch(
  options: { subresource: string | undefined; sample: Json; index: number },
): unknown {
  const { subresource, sample, index } = options;
  if (subresource === "status") return { status: sample.status };
  if (subresource === "approval") {
    return {
      status: {
        conditions: [{
          type: "Approved",
          status: "True",
          reason: "AranyaApprove",
          message: "floor",
        }],
      },
    };
  }
  return {
    metadata: {
      annotations: { "bench.aranya/writes": `${index}-${crypto.randomUUID()}` },
    },
  };
}

/**
 * Returns a copy under another name, without owner and without fields that the API server fills in.
 */
function rename(
  sample: Json,
  options: { name: string; namespace: string | undefined },
): Json {
  const { labels, annotations } = sample.metadata;
  const copy: Json = {
    ...sample,
    metadata: {
      name: options.name,
      ...(options.namespace ? { namespace: options.namespace } : {}),
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
    },
  };
  const spec = copy.spec as Record<string, unknown> | undefined;
  if (sample.kind === "Service" && spec) {
    copy.spec = {
      ports: spec.ports,
      ...(spec.clusterIP === "None" ? { clusterIP: "None" } : {}),
    };
  }
  if (sample.kind === "Node" && spec) copy.spec = { taints: spec.taints };
  return copy;
}

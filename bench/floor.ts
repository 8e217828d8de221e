// SPDX-License-Identifier: Apache-2.0
/** The floor of a deployment: the writes that an operator made, counted by kind, sent bare. */
import { AranyaError } from "../lib/shared/base/mod.ts";
import { type BareApi, type BareCall, inParallel } from "./api.ts";
import type { WriteCounts } from "./audit.ts";

/** A resource as the API's paths name it. */
interface Resource {
  /** `/api/v1` or `/apis/<group>/<version>` */
  base: string;
  namespace?: string;
}

type Json = Record<string, unknown> & { metadata: Record<string, unknown> };

/** Options of {@linkcode replay}. */
export interface ReplayOptions {
  api: BareApi;
  /** What was written. */
  counts: WriteCounts;
  /** One object of each resource, as the operator left it. */
  samples: ReadonlyMap<string, Json>;
  /** Namespace of the replayed objects. */
  namespace: string;
  /** Calls in flight. */
  width: number;
}

const BASES: Record<string, string> = {
  leases: "/apis/coordination.k8s.io/v1",
  endpointslices: "/apis/discovery.k8s.io/v1",
  certificatesigningrequests: "/apis/certificates.k8s.io/v1",
  edgedevices: "/apis/aranya.arhat.dev/v1alpha1",
};
const CLUSTER_WIDE = new Set(["nodes", "certificatesigningrequests"]);
/** Reviews and events stand for themselves: their bodies are small and fixed. */
const LEFT_OUT = new Set([
  "subjectaccessreviews",
  "tokenreviews",
  "selfsubjectreviews",
  "events",
]);

/** Resources of the counts in the order in which their objects can be made. */
export function resourcesOf(counts: WriteCounts): string[] {
  const named = [...counts.keys()].filter((kind) => !kind.startsWith("failed"))
    .map((kind) => (kind.split(" ")[1] ?? "").split("/")[0] ?? "");
  return [...new Set(named)].filter((resource) => !LEFT_OUT.has(resource));
}

/** Where objects of a resource are. */
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

/** Path of a collection, or of one object of it. */
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

/** Sends the writes, kind after kind, and gives the seconds and the number of them. Those of kinds without a sample are returned by name. */
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

/** A write to an object that an earlier kind did not make (fewer creates than patches) counts as sent. */
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

/** A patch that changes something, of about the size that the operator's has. */
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

/** The object without what the API server fills in, under another name, owned by nobody. */
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

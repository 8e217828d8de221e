// SPDX-License-Identifier: Apache-2.0
/** The downward API: fields of the pod and resources of its containers as text. */
import { AranyaError } from "../../shared/base/mod.ts";
import type {
  FieldRef,
  KubeContainer,
  Pod,
  ResourceFieldRef,
} from "../kube/mod.ts";
import type { PodLookups } from "./lookups.ts";
import { divideQuantity, parseQuantity } from "./quantity.ts";

/**
 * Text of a field that the operator knows; undefined for those known on the device only (addresses).
 * @throws {AranyaError} code "unsupported" for other fields
 */
export function readField(pod: Pod, ref: FieldRef): string | undefined {
  const { metadata, spec } = pod;
  const path = ref.fieldPath;
  const entry = path.match(/^metadata\.(labels|annotations)\['(.*)'\]$/);
  if (entry) {
    const [, kind, key = ""] = entry;
    return (kind === "labels" ? metadata.labels : metadata.annotations)
      ?.[key] ?? "";
  }
  switch (path) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace ?? "";
    case "metadata.uid":
      return metadata.uid ?? "";
    case "metadata.labels":
      return toLines(metadata.labels);
    case "metadata.annotations":
      return toLines(metadata.annotations);
    case "spec.nodeName":
      return spec.nodeName ?? "";
    case "spec.serviceAccountName":
      return spec.serviceAccountName ?? "";
    case "status.podIP":
    case "status.podIPs":
    case "status.hostIP":
    case "status.hostIPs":
      return undefined;
    default:
      throw new AranyaError(
        "unsupported",
        `Cannot read field ${JSON.stringify(path)} of a pod: it isn't served`,
      );
  }
}

/** Text of a container's resource, in the unit of its divisor. @throws {AranyaError} code "not_found" for an unknown container */
export function readResource(
  ref: ResourceFieldRef,
  options: { pod: Pod; container?: KubeContainer; lookups: PodLookups },
): string {
  const { pod, lookups } = options;
  const all = [...pod.spec.containers, ...pod.spec.initContainers ?? []];
  const container = ref.containerName
    ? all.find(({ name }) => name === ref.containerName)
    : options.container;
  if (!container) {
    throw new AranyaError(
      "not_found",
      `Cannot read resource ${JSON.stringify(ref.resource)}: container ${
        JSON.stringify(ref.containerName ?? "")
      } isn't there`,
    );
  }
  const [kind = "", ...rest] = ref.resource.split(".");
  const name = rest.join(".");
  const { limits = {}, requests = {} } = container.resources ?? {};
  const text = kind === "limits" ? limits[name] : requests[name];
  return divideQuantity(
    text === undefined
      ? fallback(kind, { name, lookups })
      : parseQuantity(text),
    ref.divisor ?? "0",
  );
}

/** A container without a limit may use what the node gives. */
function fallback(
  kind: string,
  { name, lookups }: { name: string; lookups: PodLookups },
): number {
  if (kind !== "limits") return 0;
  if (name === "cpu") return lookups.allocatable.cpuMillis / 1000;
  return name === "memory" ? lookups.allocatable.memoryBytes : 0;
}

/** `key="value"`, one a line, sorted, quoted as Go does. */
function toLines(map: Record<string, string> = {}): string {
  return Object.entries(map).sort(([a], [b]) => a < b ? -1 : 1).map((
    [key, value],
  ) => `${key}=${JSON.stringify(value)}`).join("\n");
}

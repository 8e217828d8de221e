// SPDX-License-Identifier: Apache-2.0
/** The downward API: fields of a pod and resources of its containers as text. */
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
 * Returns the text of a pod's field; undefined for addresses, which only the device knows.
 * @throws {AranyaError} "unsupported" for a field that the downward API does not have
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
      return formatMap(metadata.labels);
    case "metadata.annotations":
      return formatMap(metadata.annotations);
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
        `Cannot read field ${JSON.stringify(path)} of a pod: not supported`,
      );
  }
}

/** Options of {@linkcode readResource}. */
export interface ReadResourceOptions {
  pod: Pod;
  /** The container that is meant when the reference names none, as in `env`. */
  container?: KubeContainer;
  lookups: PodLookups;
}

/**
 * Returns the text of a container's resource, divided by the reference's divisor and rounded up.
 * @throws {AranyaError} "not_found" when the pod has no such container
 */
export function readResource(
  ref: ResourceFieldRef,
  { pod, lookups, ...options }: ReadResourceOptions,
): string {
  const all = [...pod.spec.containers, ...pod.spec.initContainers ?? []];
  const container = ref.containerName
    ? all.find(({ name }) => name === ref.containerName)
    : options.container;
  if (!container) {
    throw new AranyaError(
      "not_found",
      `Cannot read resource ${JSON.stringify(ref.resource)} of container ${
        JSON.stringify(ref.containerName ?? "")
      }: no such container in the pod`,
    );
  }
  const [kind = "", ...rest] = ref.resource.split(".");
  const name = rest.join(".");
  const { limits = {}, requests = {} } = container.resources ?? {};
  const text = kind === "limits" ? limits[name] : requests[name];
  return divideQuantity(
    text === undefined
      ? readDefaultResource(kind, { name, lookups })
      : parseQuantity(text),
    ref.divisor ?? "0",
  );
}

/** A container without a limit may use all that the Node offers; a missing request is 0. */
function readDefaultResource(
  kind: string,
  { name, lookups }: { name: string; lookups: PodLookups },
): number {
  if (kind !== "limits") return 0;
  if (name === "cpu") return lookups.allocatable.cpuMillis / 1000;
  return name === "memory" ? lookups.allocatable.memoryBytes : 0;
}

/** Formats labels or annotations as the kubelet does: lines of `key="value"`, sorted by key. */
function formatMap(map: Record<string, string> = {}): string {
  return Object.entries(map).sort(([a], [b]) => a < b ? -1 : 1).map((
    [key, value],
  ) => `${key}=${JSON.stringify(value)}`).join("\n");
}

// SPDX-License-Identifier: Apache-2.0
/** What a translation needs from outside, and what it tells besides its result. */
import type { ConfigMap, Secret, Service } from "../kube/mod.ts";

/** Looks things up for one translation; all answers come from memory. */
export interface PodLookups {
  /** Undefined: it isn't there. */
  configMap(namespace: string, name: string): ConfigMap | undefined;
  /** Undefined: it isn't there. */
  secret(namespace: string, name: string): Secret | undefined;
  /** Services of a namespace; of "default" at least the one named "kubernetes". */
  services(namespace: string): Service[];
  /** A token of the pod's account; a text instead of one says why there is none. */
  token(want: TokenWant): { token: string } | { missing: string };
  /** What stands for a missing limit in a resourceFieldRef. */
  allocatable: { cpuMillis: number; memoryBytes: number };
  /** Name servers of the cluster or device; undefined: what the device itself uses. */
  dns: PodDns | undefined;
}

/** How names are found. */
export interface PodDns {
  /** Addresses of name servers. */
  servers: readonly string[];
  /** Domains that short names are tried in. */
  searches: readonly string[];
  /** As in resolv.conf, e.g. "ndots:5". */
  options: readonly string[];
}

/** A token that a pod's volume asks for. */
export interface TokenWant {
  /** Empty: the API server itself. */
  audience: string;
  /** Wished life. */
  expirationSeconds: number;
}

/** Something that users should see as an Event of the pod. */
export interface PodWarning {
  /** CamelCase constant, the kubelet's where it has one. */
  reason: string;
  /** For people. */
  message: string;
  /** The container that it is about; absent: the pod. */
  container?: string;
}

/** Key of something that a pod's translation depends on. */
export function refKey(
  kind: "ConfigMap" | "Secret" | "Services",
  ref: { namespace: string; name?: string },
): string {
  return `${kind}/${ref.namespace}/${ref.name ?? ""}`;
}

/** Collects what a translation met on its way. */
export class Findings {
  /** Contents by hexadecimal SHA-256. */
  readonly blobs: Map<string, Uint8Array> = new Map();
  /** See {@linkcode refKey}. */
  readonly refs: Set<string> = new Set();
  readonly warnings: PodWarning[] = [];
}

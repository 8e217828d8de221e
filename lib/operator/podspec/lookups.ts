// SPDX-License-Identifier: Apache-2.0
/** What a translation of a pod reads from outside, and what it finds besides its result. */
import type { ConfigMap, Pod, Secret, Service } from "../kube/mod.ts";
import type { FileContent } from "./file_content.ts";

/** Reads the objects and settings that a pod refers to. All answers come from memory. */
export interface PodLookups {
  /** Returns a ConfigMap; undefined when there is none. */
  findConfigMap(namespace: string, name: string): ConfigMap | undefined;
  /** Returns a Secret; undefined when there is none. */
  findSecret(namespace: string, name: string): Secret | undefined;
  /** Returns the Services of a namespace; of "default" at least the one named "kubernetes". */
  listServices(namespace: string): readonly Service[];
  /** Returns a token of the pod's service account, or why there is none. */
  findToken(request: ProjectedToken): PodToken | { missing: string };
  /** What the Node offers; it stands in for a missing limit in a `resourceFieldRef`. */
  readonly allocatable: Allocatable;
  /** Name servers of the cluster or device; undefined: the device uses its own. */
  readonly dns: PodDns | undefined;
}

/** CPU and memory that a Node offers to pods. Reading a property may throw an AranyaError. */
export interface Allocatable {
  /** CPU, in thousandths of a core. */
  readonly cpuMillis: number;
  /** Memory, in bytes. */
  readonly memoryBytes: number;
}

/** Contents of a pod's resolv.conf. */
export interface PodDns {
  /** IP addresses of name servers. */
  servers: readonly string[];
  /** Domains that are appended to short names. */
  searches: readonly string[];
  /** Resolver options as in resolv.conf, such as "ndots:5". */
  options: readonly string[];
}

/** A service account token that a projected volume of a pod asks for. */
export interface ProjectedToken {
  /** Audience of the token; empty: the API server. */
  audience: string;
  /** Requested lifetime, in seconds. */
  expirationSeconds: number;
}

/** A token of a pod's service account. */
export interface PodToken {
  /** Hexadecimal SHA-256 of the token. */
  sha256: string;
  /** Length of the token, in bytes. */
  sizeBytes: number;
  /** When it expires, in milliseconds since 1970. */
  expiresUnixMs: number;
  /** When the next one is to be requested, in milliseconds since 1970. */
  renewUnixMs: number;
  /** The token; undefined when only the device has it. */
  text?: string;
}

/** A problem in a pod that its users should see as an Event. */
export interface PodWarning {
  /** Event reason in CamelCase, the kubelet's where it has one. */
  reason: string;
  /** Event message. */
  message: string;
  /** Name of the container concerned; absent: the whole pod. */
  container?: string;
}

/** Inputs of one translation, passed to each of its parts. */
export interface TranslationContext {
  /** The pod that is translated. */
  pod: Pod;
  /** What the pod refers to. */
  lookups: PodLookups;
  /** Collects what is found on the way. */
  findings: Findings;
}

/**
 * Returns the key of an object, or of all Services of a namespace, that a pod's translation depends
 * on.
 */
export function refKey(
  kind: "ConfigMap" | "Secret" | "Services",
  ref: { namespace: string; name?: string },
): string {
  return `${kind}/${ref.namespace}/${ref.name ?? ""}`;
}

/** Collects what a translation finds besides its result. */
export class Findings {
  /** Contents of files by hexadecimal SHA-256 of their bytes. */
  readonly blobs: Map<string, FileContent> = new Map();
  /** Objects that were read, by {@linkcode refKey}; those that don't exist too. */
  readonly refs: Set<string> = new Set();
  /** Problems for the pod's users. */
  readonly warnings: PodWarning[] = [];
}

/** Thrown when a ConfigMap, Secret, key or token is missing; the message is the kubelet's. */
export class MissingReferenceError extends Error {}

// SPDX-License-Identifier: Apache-2.0
/** Translates a Pod to the command for its device. */
import { createHash } from "node:crypto";
import { defined } from "../../shared/base/mod.ts";
import type { Pod } from "../kube/mod.ts";
import {
  create,
  type Dns,
  DnsSchema,
  encodeMessage,
  FileSchema,
  HostAliasSchema,
  type PodSecurity,
  PodSecuritySchema,
  type PodSpec,
  PodSpecSchema,
  RestartPolicy,
  SysctlSchema,
  type Volume,
} from "../../shared/wire/mod.ts";
import { toContainer } from "./containers.ts";
import type { FileContent } from "./file_content.ts";
import { Findings, type PodLookups, type PodWarning } from "./lookups.ts";
import { readRegistryCredentials } from "./pull_secrets.ts";
import { resolveVolume } from "./volumes.ts";

/** Result of {@linkcode toPodSpec}. */
export interface TranslatedPod {
  /** The command for the device; `specHash` covers all of it but the tokens. */
  spec: PodSpec;
  /** Contents of the volumes' files by hexadecimal SHA-256. */
  blobs: ReadonlyMap<string, FileContent>;
  /** Objects that the translation depends on, by `refKey`; missing ones too. */
  refs: ReadonlySet<string>;
  /** Problems for the pod's users. */
  warnings: readonly PodWarning[];
}

const RESTART_POLICIES: Record<string, RestartPolicy> = {
  Always: RestartPolicy.ALWAYS,
  OnFailure: RestartPolicy.ON_FAILURE,
  Never: RestartPolicy.NEVER,
};
const DEFAULT_GRACE_SECONDS = 30;
const MEMORY_PRESSURE_TAINT = "node.kubernetes.io/memory-pressure";
const MAX_HOSTNAME_LENGTH = 63;

/**
 * Translates a pod without unsupported fields: references are resolved, and contents of files are
 * named by hash. The same pod and lookups give the same `specHash`, also with other tokens. Never
 * throws for a missing reference; the container or volume concerned is blocked instead.
 */
export function toPodSpec(pod: Pod, lookups: PodLookups): TranslatedPod {
  const findings = new Findings();
  const { metadata, spec: from } = pod;
  const context = { pod, lookups, findings };
  const spec = create(PodSpecSchema, {
    uid: metadata.uid ?? "",
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    initContainers: (from.initContainers ?? []).map((container) =>
      toContainer({ ...context, container })
    ),
    containers: from.containers.map((container) =>
      toContainer({ ...context, container })
    ),
    volumes: (from.volumes ?? []).map((volume) =>
      resolveVolume(volume, context)
    ),
    restartPolicy: RESTART_POLICIES[from.restartPolicy ?? "Always"] ??
      RestartPolicy.ALWAYS,
    terminationGraceSeconds: BigInt(toGraceSeconds(pod)),
    hostNetwork: from.hostNetwork ?? false,
    hostPid: from.hostPID ?? false,
    hostIpc: from.hostIPC ?? false,
    hostname: toHostname(pod),
    ...defined({ dns: toDns(pod, lookups) }),
    hostAliases: (from.hostAliases ?? []).map(({ ip, hostnames = [] }) =>
      create(HostAliasSchema, { ip, names: hostnames })
    ),
    registryCredentials: readRegistryCredentials(context),
    security: toPodSecurity(pod),
    shareProcessNamespace: from.shareProcessNamespace ?? false,
    sysctls: (from.securityContext?.sysctls ?? []).map((sysctl) =>
      create(SysctlSchema, sysctl)
    ),
    activeDeadlineSeconds: BigInt(from.activeDeadlineSeconds ?? 0),
    priority: from.priority ?? 0,
    toleratesMemoryPressure: toleratesMemoryPressure(pod),
  });
  spec.specHash = toSpecHash(spec);
  return {
    spec,
    blobs: findings.blobs,
    refs: findings.refs,
    warnings: findings.warnings,
  };
}

/**
 * Returns whether the pod tolerates the taint of memory pressure. The taint has no value, and its
 * effect is NoSchedule.
 */
function toleratesMemoryPressure({ spec }: Pod): boolean {
  return (spec.tolerations ?? []).some(({ key, operator, value, effect }) => {
    if (effect && effect !== "NoSchedule") return false;
    if (key && key !== MEMORY_PRESSURE_TAINT) return false;
    return operator === "Exists" || (key !== undefined && !value);
  });
}

/** Returns the hash of a command whose `specHash` is empty; see PodSpec.spec_hash. */
function toSpecHash(spec: PodSpec): string {
  const volumes = spec.volumes.map(withoutTokens);
  const bytes = encodeMessage(PodSpecSchema, { ...spec, volumes });
  return createHash("sha256").update(bytes).digest("hex");
}

/** Returns the volume as it is whatever tokens its files hold. */
function withoutTokens(volume: Volume): Volume {
  const { source } = volume;
  if (source.case !== "files") return volume;
  const files = source.value.files.map((file) => {
    if (!file.token) return file;
    const { path, mode, uid, token: { audience, expirationSeconds } } = file;
    return create(FileSchema, {
      path,
      mode,
      ...defined({ uid }),
      token: { audience, expirationSeconds },
    });
  });
  const value = { ...source.value, files };
  return { ...volume, source: { case: "files", value } };
}

/** Returns the termination grace period of a pod, in seconds; 30 by default. */
export function toGraceSeconds(pod: Pod): number {
  return pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

/** Returns the pod's host name; empty with `hostNetwork`, where the device's own name is used. */
function toHostname({ metadata, spec }: Pod): string {
  if (spec.hostNetwork) return "";
  const name = spec.hostname || metadata.name;
  return name.slice(0, MAX_HOSTNAME_LENGTH).replace(/[-.]+$/, "");
}

function toPodSecurity({ spec }: Pod): PodSecurity {
  const { fsGroup, supplementalGroups = [] } = spec.securityContext ?? {};
  return create(PodSecuritySchema, {
    ...defined({
      fsGroup: fsGroup === undefined ? undefined : BigInt(fsGroup),
    }),
    supplementalGroups: supplementalGroups.map(BigInt),
  });
}

/**
 * Returns the pod's resolv.conf; undefined when the pod adds nothing to the device's own. A result
 * without servers means the device's servers.
 */
function toDns({ spec }: Pod, lookups: PodLookups): Dns | undefined {
  const { dnsPolicy = "ClusterFirst", dnsConfig } = spec;
  if (!dnsConfig && dnsPolicy !== "None") return undefined;
  const inherited = dnsPolicy === "None" ? undefined : lookups.dns;
  const base = inherited ?? { servers: [], searches: [], options: [] };
  const options = (dnsConfig?.options ?? []).map(({ name = "", value }) =>
    value === undefined ? name : `${name}:${value}`
  );
  const overridden = new Set(options.map((option) => option.split(":")[0]));
  return create(DnsSchema, {
    servers: unique([...base.servers, ...dnsConfig?.nameservers ?? []]),
    searches: unique([...base.searches, ...dnsConfig?.searches ?? []]),
    options: [
      ...base.options.filter((option) => !overridden.has(option.split(":")[0])),
      ...options,
    ],
  });
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}

// SPDX-License-Identifier: Apache-2.0
/** A pod of the API as the command for its device: references resolved, content named by hash. */
import { createHash } from "node:crypto";
import type { Pod } from "../kube/mod.ts";
import {
  create,
  type Dns,
  DnsSchema,
  encodeMessage,
  HostAliasSchema,
  type PodSecurity,
  PodSecuritySchema,
  type PodSpec,
  PodSpecSchema,
  RestartPolicy,
  SysctlSchema,
} from "../../shared/wire/mod.ts";
import { toContainer } from "./containers.ts";
import { Findings, type PodLookups, type PodWarning } from "./lookups.ts";
import { registryCredentials } from "./pull_secrets.ts";
import { resolveVolume } from "./volumes.ts";

/** What a pod came to. */
export interface TranslatedPod {
  /** The command for the device, with its hash. */
  spec: PodSpec;
  /** Contents of the volumes' files by hexadecimal SHA-256. */
  blobs: Map<string, Uint8Array>;
  /** What the translation depends on, see `refKey`. */
  refs: Set<string>;
  /** What users should see as Events. */
  warnings: PodWarning[];
}

const RESTART_POLICIES: Record<string, RestartPolicy> = {
  Always: RestartPolicy.ALWAYS,
  OnFailure: RestartPolicy.ON_FAILURE,
  Never: RestartPolicy.NEVER,
};
const DEFAULT_GRACE_SECONDS = 30;
const MAX_HOSTNAME_LENGTH = 63;

/** Translates a pod that `judgePod` found nothing wrong with. Pure: the same pod and look-ups give the same hash. */
export function toPodSpec(pod: Pod, lookups: PodLookups): TranslatedPod {
  const findings = new Findings();
  const { metadata, spec: from } = pod;
  const options = { pod, lookups, findings };
  const dns = toDns(pod, lookups);
  const spec = create(PodSpecSchema, {
    uid: metadata.uid ?? "",
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    initContainers: (from.initContainers ?? []).map((container) =>
      toContainer({ ...options, container })
    ),
    containers: from.containers.map((container) =>
      toContainer({ ...options, container })
    ),
    volumes: (from.volumes ?? []).map((volume) =>
      resolveVolume(volume, options)
    ),
    restartPolicy: RESTART_POLICIES[from.restartPolicy ?? "Always"] ??
      RestartPolicy.ALWAYS,
    terminationGraceSeconds: BigInt(graceSecondsOf(pod)),
    hostNetwork: from.hostNetwork ?? false,
    hostPid: from.hostPID ?? false,
    hostIpc: from.hostIPC ?? false,
    hostname: toHostname(pod),
    ...(dns === undefined ? {} : { dns }),
    hostAliases: (from.hostAliases ?? []).map(({ ip, hostnames = [] }) =>
      create(HostAliasSchema, { ip, names: hostnames })
    ),
    registryCredentials: registryCredentials(pod, { lookups, findings }),
    security: toPodSecurity(pod),
    shareProcessNamespace: from.shareProcessNamespace ?? false,
    sysctls: (from.securityContext?.sysctls ?? []).map((sysctl) =>
      create(SysctlSchema, sysctl)
    ),
    activeDeadlineSeconds: BigInt(from.activeDeadlineSeconds ?? 0),
  });
  spec.specHash = createHash("sha256").update(
    encodeMessage(PodSpecSchema, spec),
  )
    .digest("hex");
  return {
    spec,
    blobs: findings.blobs,
    refs: findings.refs,
    warnings: findings.warnings,
  };
}

/** Seconds that a pod gets to end when nobody says otherwise. */
export function graceSecondsOf(pod: Pod): number {
  return pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

/** Empty with hostNetwork: the device's own name. */
function toHostname({ metadata, spec }: Pod): string {
  if (spec.hostNetwork) return "";
  const name = spec.hostname || metadata.name;
  return name.slice(0, MAX_HOSTNAME_LENGTH).replace(/[-.]+$/, "");
}

function toPodSecurity({ spec }: Pod): PodSecurity {
  const { fsGroup, supplementalGroups = [] } = spec.securityContext ?? {};
  return create(PodSecuritySchema, {
    ...(fsGroup === undefined ? {} : { fsGroup: BigInt(fsGroup) }),
    supplementalGroups: supplementalGroups.map(BigInt),
  });
}

/**
 * Undefined: the pod brings nothing of its own, the device's settings serve. No servers in a value: the device's servers with what is added.
 */
function toDns({ spec }: Pod, { dns }: PodLookups): Dns | undefined {
  const { dnsPolicy = "ClusterFirst", dnsConfig } = spec;
  if (!dnsConfig && dnsPolicy !== "None") return undefined;
  const base = dnsPolicy === "None" || !dns
    ? { servers: [], searches: [], options: [] }
    : dns;
  const options = (dnsConfig?.options ?? []).map(({ name = "", value }) =>
    value === undefined ? name : `${name}:${value}`
  );
  const named = new Set(options.map((option) => option.split(":")[0]));
  return create(DnsSchema, {
    servers: unique([...base.servers, ...dnsConfig?.nameservers ?? []]),
    searches: unique([...base.searches, ...dnsConfig?.searches ?? []]),
    options: [
      ...base.options.filter((option) => !named.has(option.split(":")[0])),
      ...options,
    ],
  });
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}

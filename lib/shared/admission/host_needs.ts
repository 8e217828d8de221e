// SPDX-License-Identifier: Apache-2.0
/** What pods need of the host, and whether the device's owner allows it. */
import { AranyaError } from "../base/mod.ts";
import type { PodSwitches } from "../config/mod.ts";
import type { Container, Handler, PodSpec } from "../wire/mod.ts";

/** Something that gives a pod a way to the host of its device. */
export interface HostNeed {
  /** Field and container as a user knows them, such as `hostPath volume "root"`. */
  what: string;
  /** The switch of agent.yaml that allows it. */
  key: keyof PodSwitches;
}

/** Reason of waiting containers, of Events and of failed pods. */
export const FORBIDDEN_BY_DEVICE = "ForbiddenByDevice";

/** Capabilities that the baseline policy of the Pod Security Standards allows to add. */
const BASELINE_CAPABILITIES: ReadonlySet<string> = new Set([
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
]);

/** Sysctls that the baseline policy allows: they have a namespace of their own in each pod. */
const BASELINE_SYSCTLS: ReadonlySet<string> = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ping_group_range",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.tcp_wmem",
]);

/** Bound of the needs in one message, which has to fit into an Event. */
const MAX_NAMED = 5;

/**
 * Returns everything that the baseline policy of the Pod Security Standards forbids, as far as the
 * protocol can express it. Fields that it can't express, such as `hostPort`, AppArmor and SELinux,
 * are unsupported anyway.
 */
export function listHostNeeds(spec: PodSpec): HostNeed[] {
  const containers = [...spec.initContainers, ...spec.containers];
  return [
    ...listHostNamespaces(spec),
    ...containers.flatMap(listHandlerHosts),
    ...spec.volumes.flatMap(({ name, source }): HostNeed[] =>
      source.case === "hostPath"
        ? [{ what: `hostPath volume "${name}"`, key: "hostPath" }]
        : []
    ),
    ...containers.flatMap(listPrivileges),
    ...spec.sysctls.flatMap(({ name }): HostNeed[] =>
      BASELINE_SYSCTLS.has(name.replaceAll("/", "."))
        ? []
        : [{ what: `sysctl ${name}`, key: "privileged" }]
    ),
  ];
}

/**
 * Returns why a pod with these needs can't run; undefined when all of them are allowed. The text is
 * the same on both ends of the link.
 */
export function toForbiddenMessage(
  pod: { namespace: string; name: string },
  { needs, switches }: {
    needs: readonly HostNeed[];
    switches: PodSwitches;
  },
): string | undefined {
  const forbidden = needs.filter(({ key }) => !switches[key]);
  if (forbidden.length === 0) return undefined;
  const named = forbidden.slice(0, MAX_NAMED).map(({ what }) => what);
  const moreCount = forbidden.length - named.length;
  if (moreCount > 0) named.push(`${moreCount} more`);
  const keys = new Set(forbidden.map(({ key }) => `pods.${key}`));
  return `Cannot run pod "${pod.namespace}/${pod.name}": it has ${
    named.join(", ")
  }, turned off by the device's owner (${
    [...keys].join(", ")
  }: false in agent.yaml)`;
}

/**
 * Checks that a pod needs nothing that is turned off.
 * @throws {AranyaError} code "forbidden", naming what the pod has and the switches
 */
export function checkPodSwitches(spec: PodSpec, switches: PodSwitches): void {
  const needs = listHostNeeds(spec);
  const message = toForbiddenMessage(spec, { needs, switches });
  if (message !== undefined) throw new AranyaError("forbidden", message);
}

function listHostNamespaces(
  { hostNetwork, hostPid, hostIpc }: PodSpec,
): HostNeed[] {
  return Object.entries({
    hostNetwork,
    hostPID: hostPid,
    hostIPC: hostIpc,
  }).flatMap(([what, isShared]) =>
    isShared ? [{ what, key: "hostNamespaces" }] : []
  );
}

/** The agent runs these requests in the host's network: they reach its loopback addresses. */
function listHandlerHosts(container: Container): HostNeed[] {
  const { preStop, postStart, liveness, readiness, startup } = container;
  const handlers: [string, Handler | undefined][] = [
    ["preStop hook", preStop],
    ["postStart hook", postStart],
    ["liveness probe", liveness?.handler],
    ["readiness probe", readiness?.handler],
    ["startup probe", startup?.handler],
  ];
  return handlers.flatMap(([kind, handler]): HostNeed[] => {
    const host = toHandlerHost(handler);
    return host === "" ? [] : [{
      what: `host "${host}" in the ${kind} of container "${container.name}"`,
      key: "hostNamespaces",
    }];
  });
}

/** Returns the host that a probe or hook connects to; "" for the pod itself. */
function toHandlerHost(handler: Handler | undefined): string {
  const { action } = handler ?? {};
  return action?.case === "http" || action?.case === "tcp"
    ? action.value.host
    : "";
}

/** Returns what gives a container the rights of a privileged one, or some of them. */
function listPrivileges({ name, security, mounts }: Container): HostNeed[] {
  const of = `of container "${name}"`;
  const found: string[] = [];
  if (security?.privileged) found.push(`privileged container "${name}"`);
  for (const capability of security?.addCapabilities ?? []) {
    const plain = capability.toUpperCase().replace(/^CAP_/, "");
    if (!BASELINE_CAPABILITIES.has(plain)) {
      found.push(`capability ${capability} ${of}`);
    }
  }
  if (security && security.seccomp !== "") {
    found.push(`seccomp profile Unconfined ${of}`);
  }
  if (security && security.procMount !== "") {
    found.push(`procMount ${security.procMount} ${of}`);
  }
  if (mounts.some(({ propagation }) => propagation === "rshared")) {
    found.push(`mount propagation Bidirectional ${of}`);
  }
  return found.map((what) => ({ what, key: "privileged" }));
}

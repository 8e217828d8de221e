// SPDX-License-Identifier: Apache-2.0
/** What the device's owner forbids pods to do to the host. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { PodSwitches } from "../../shared/config/mod.ts";
import type { PodSpec } from "../../shared/wire/mod.ts";

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

/**
 * Checks that a pod needs nothing that is turned off.
 * @throws {AranyaError} code "forbidden", naming what the pod has and the switch
 */
export function checkPodSwitches(spec: PodSpec, switches: PodSwitches): void {
  const found = findForbidden(spec, switches);
  if (!found) return;
  throw new AranyaError(
    "forbidden",
    `Cannot run pod "${spec.namespace}/${spec.name}": it has ${found.what}, turned off by the device's owner (pods.${found.key}: false in agent.yaml)`,
  );
}

function findForbidden(
  spec: PodSpec,
  { privileged, hostPath, hostNamespaces }: PodSwitches,
): { what: string; key: keyof PodSwitches } | undefined {
  if (!hostNamespaces) {
    const { hostNetwork, hostPid, hostIpc } = spec;
    const what = hostNetwork
      ? "hostNetwork"
      : hostPid
      ? "hostPID"
      : hostIpc
      ? "hostIPC"
      : undefined;
    if (what) return { what, key: "hostNamespaces" };
  }
  if (!hostPath) {
    const volume = spec.volumes.find(({ source }) =>
      source.case === "hostPath"
    );
    if (volume) {
      return { what: `hostPath volume "${volume.name}"`, key: "hostPath" };
    }
  }
  if (privileged) return undefined;
  for (
    const { name, security } of [...spec.initContainers, ...spec.containers]
  ) {
    const capability = security?.addCapabilities.find((one) =>
      !BASELINE_CAPABILITIES.has(one.toUpperCase().replace(/^CAP_/, ""))
    );
    if (security?.privileged) {
      return { what: `privileged container "${name}"`, key: "privileged" };
    }
    if (capability !== undefined) {
      return {
        what: `capability ${capability} of container "${name}"`,
        key: "privileged",
      };
    }
  }
  return undefined;
}

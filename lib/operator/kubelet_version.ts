// SPDX-License-Identifier: Apache-2.0
/** The kubelet version that the devices' Nodes report. */
import type { KubeClient } from "./kube/mod.ts";

/** Version of the kubelet API that the operator implements. */
export const KUBELET_VERSION = "v1.34.0";

/**
 * Returns the version to report to this API server. Never a newer one than its own, which the
 * version skew policy of Kubernetes doesn't allow.
 */
export async function readKubeletVersion(
  client: Pick<KubeClient, "version">,
  signal: AbortSignal,
): Promise<string> {
  const { gitVersion } = await client.version({ signal });
  return toKubeletVersion(gitVersion);
}

/**
 * Returns {@linkcode KUBELET_VERSION}, or the first patch release of an older API server's minor
 * version.
 */
export function toKubeletVersion(gitVersion: string): string {
  const minor = minorOf(gitVersion);
  return minor < minorOf(KUBELET_VERSION) ? `v1.${minor}.0` : KUBELET_VERSION;
}

/** Returns 34 for "v1.34.2"; NaN, which is not less than any number, for other text. */
function minorOf(version: string): number {
  return Number(version.match(/^v?1\.(\d+)/)?.[1] ?? NaN);
}

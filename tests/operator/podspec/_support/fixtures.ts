// SPDX-License-Identifier: Apache-2.0
/** Pods and lookups for the tests of this room. */
import { createHash } from "node:crypto";
import type {
  ConfigMap,
  KubeContainer,
  Pod,
  Secret,
  Service,
} from "../../../../lib/operator/kube/mod.ts";
import type {
  PodLookups,
  PodToken,
} from "../../../../lib/operator/podspec/mod.ts";

/** Returns a pod "ns/web" with one container "app". */
export function pod(
  spec: Partial<Pod["spec"]> = {},
  metadata: Partial<Pod["metadata"]> = {},
): Pod {
  return {
    metadata: { namespace: "ns", name: "web", uid: "u-1", ...metadata },
    spec: {
      nodeName: "edge-1",
      enableServiceLinks: false,
      containers: [{ name: "app", image: "busybox:1" }],
      ...spec,
    },
  };
}

/** Returns a pod whose one container has these fields. */
export function podWith(container: Partial<KubeContainer>): Pod {
  return pod({
    containers: [{ name: "app", image: "busybox:1", ...container }],
  });
}

/** Returns a token with this text, which expires an hour after 1970. */
export function toPodToken(text: string): PodToken {
  return {
    sha256: createHash("sha256").update(text).digest("hex"),
    sizeBytes: text.length,
    expiresUnixMs: 3_600_000,
    renewUnixMs: 2_880_000,
    text,
  };
}

/** Objects that exist, by name; all but Services are in namespace "ns". */
export interface Existing {
  configMaps?: Record<string, Partial<ConfigMap>>;
  secrets?: Record<string, Record<string, string>>;
  services?: Service[];
  token?: string;
  dns?: PodLookups["dns"];
}

/** Returns lookups of these objects; values of Secrets are given as plain text. */
export function lookups(existing: Existing = {}): PodLookups {
  const { configMaps = {}, secrets = {}, services = [], token } = existing;
  return {
    findConfigMap(namespace, name) {
      const values = namespace === "ns" ? configMaps[name] : undefined;
      return values && { metadata: { namespace, name }, ...values };
    },
    findSecret(namespace, name): Secret | undefined {
      const values = namespace === "ns" ? secrets[name] : undefined;
      return values && {
        metadata: { namespace, name },
        data: Object.fromEntries(
          Object.entries(values).map(([key, value]) => [key, btoa(value)]),
        ),
      };
    },
    listServices: (namespace) =>
      services.filter(({ metadata }) => metadata.namespace === namespace),
    findToken: () =>
      token === undefined ? { missing: "no token yet" } : toPodToken(token),
    allocatable: { cpuMillis: 4000, memoryBytes: 1024 },
    dns: existing.dns,
  };
}

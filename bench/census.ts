// SPDX-License-Identifier: Apache-2.0
/** Counts devices whose objects are complete and whose kubelet port answers. */
import { connect } from "node:tls";
import type { BareApi } from "./api.ts";
import { pathOf } from "./floor.ts";

/** Result of {@linkcode takeCensus}. */
export interface DeployCensus {
  /** Names of devices that are complete. */
  complete: string[];
  /** Number of the operator's objects by resource. */
  counts: Record<string, number>;
}

/** Options of {@linkcode takeCensus}. */
export interface CensusOptions {
  namespace: string;
  /** Address of the kubelet ports; when absent, the ports are not checked. */
  address?: string;
  /** Ports that are known to answer; the call adds to them. */
  answering?: Set<number>;
}

interface Item {
  metadata: { name: string; labels?: Record<string, string> };
  status?: { daemonEndpoints?: { kubeletEndpoint?: { Port?: number } } };
}

const RESOURCES = [
  "nodes",
  "leases",
  "services",
  "endpointslices",
  "secrets",
  "pods",
  "edgedevices",
];
const LABEL = "arhat.dev/name";

interface Served {
  status?: { observedGeneration?: number; kubeletEndpoint?: string };
}

/**
 * Returns how many EdgeDevices have a status, which the operator writes last. One small list
 * request, so that polling does not slow down what is measured. Kubelet ports that are new in the
 * list are checked.
 */
export async function countServed(
  api: BareApi,
  options: { namespace: string; address: string; answering: Set<number> },
): Promise<number> {
  const { namespace, address, answering } = options;
  const { items } = await api.call<{ items: Served[] }>({
    method: "GET",
    path: pathOf("edgedevices", { namespace }),
  });
  const served = items.filter(({ status }) => status?.observedGeneration);
  await Promise.all(served.map(async ({ status }) => {
    const port = Number(status?.kubeletEndpoint?.match(/:(\d+)$/)?.[1] ?? 0);
    if (port === 0 || answering.has(port)) return;
    if (await answers(address, port)) answering.add(port);
  }));
  return served.length;
}

/**
 * Lists all of the operator's objects, and checks the kubelet ports of devices that have them all.
 */
export async function takeCensus(
  api: BareApi,
  options: CensusOptions,
): Promise<DeployCensus> {
  const { namespace, address, answering = new Set() } = options;
  const lists = await Promise.all(RESOURCES.map(async (resource) => {
    const selector = resource === "edgedevices"
      ? ""
      : `?labelSelector=${encodeURIComponent(LABEL)}`;
    const { items } = await api.call<{ items: Item[] }>({
      method: "GET",
      path: pathOf(resource, { namespace }) + selector,
    });
    return { resource, items };
  }));
  const counts = Object.fromEntries(
    lists.map(({ resource, items }) => [resource, items.length]),
  );
  const owners = lists.filter(({ resource }) => resource !== "edgedevices").map(
    ({ items }) =>
      new Set(
        items.map((item) =>
          item.metadata.labels?.[LABEL] ?? item.metadata.name
        ),
      ),
  );
  const nodes = lists[0]?.items ?? [];
  const complete: string[] = [];
  await Promise.all(nodes.map(async (node) => {
    const { name } = node.metadata;
    if (!owners.every((names) => names.has(name))) return;
    const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
    if (address && !answering.has(port)) {
      if (port === 0 || !await answers(address, port)) return;
      answering.add(port);
    }
    complete.push(name);
  }));
  return { complete, counts };
}

/** Returns whether a TLS handshake succeeds; the certificate is not verified. */
function answers(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({
    host,
    port,
    rejectUnauthorized: false,
    timeout: 5_000,
  }, () => {
    resolve(true);
    socket.destroy();
  });
  socket.on("timeout", () => socket.destroy());
  socket.on("error", () => resolve(false));
  socket.on("close", () => resolve(false));
  return promise;
}

// SPDX-License-Identifier: Apache-2.0
/** Which devices have all that makes them usable. */
import { connect } from "node:tls";
import type { BareApi } from "./api.ts";
import { pathOf } from "./floor.ts";

/** What is there. */
export interface DeployCensus {
  /** Names of devices that have everything. */
  complete: string[];
  /** Objects of ours, by resource. */
  counts: Record<string, number>;
}

/** Options of {@linkcode takeCensus}. */
export interface CensusOptions {
  namespace: string;
  /** Address of the kubelet ports; absent: they are not asked. */
  address?: string;
  /** Ports known to answer; added to. */
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
 * How many EdgeDevices the operator has written a status for, which it does last. One small list, so that looking does not slow down what is
 * measured; the kubelet ports that are new are asked.
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

/** Lists what there is of the operator's objects, and asks the kubelet ports of complete devices. */
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

/** Whether a TLS handshake reaches the point where the server shows its certificate. */
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

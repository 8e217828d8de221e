// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task bench kubelet [--servers 1000]`: memory of many kubelet servers in one process, and
 * the time to open them, to send each a request, to renew their certificates and to close them.
 */
import { parseArgs } from "node:util";
import { SILENT_LOGGER } from "../lib/shared/base/mod.ts";
import {
  createKubeletServer,
  KubeletAuth,
  type KubeletServer,
} from "../lib/operator/kubelet/mod.ts";
import { makeCertificates, sendRequest } from "../dev/world/kubelet_rig.ts";
import { LocalNode } from "../dev/world/local_node.ts";
import { print } from "../dev/base/terminal.ts";

const AT_ONCE = 16;
const MEGA = 1_000_000;

/** Returns the resident memory in megabytes. */
function memory(): number {
  return Math.round(Deno.memoryUsage().rss / MEGA);
}

/**
 * Calls `work` for each item, 16 at the same time, and returns the durations in milliseconds,
 * sorted.
 */
async function forEach<T>(
  items: T[],
  work: (item: T) => Promise<void>,
): Promise<number[]> {
  const durations: number[] = [];
  const queue = items.values();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const item of queue) {
      const startMs = performance.now();
      await work(item);
      durations.push(performance.now() - startMs);
    }
  }));
  return durations.sort((left, right) => left - right);
}

/** Opens the servers, uses and closes them, and prints a line for each step. */
async function measure(serverCount: number): Promise<void> {
  const certificates = await makeCertificates();
  const auth = new KubeletAuth({
    reviewToken: () => Promise.resolve(undefined),
    reviewAccess: () => Promise.resolve(true),
  });
  const handlers = new LocalNode();
  const servers: KubeletServer[] = [];
  const numbers = Array.from({ length: serverCount }, (_, at) => at);
  print(`before                 ${memory()} MB`);

  let startMs = performance.now();
  await forEach(numbers, async (number) => {
    servers.push(
      await createKubeletServer({
        nodeName: `edge-${number}`,
        handlers,
        tls: certificates.serving,
        clientCa: certificates.clientsCa,
        auth,
        log: SILENT_LOGGER,
        host: "127.0.0.1",
        port: 0,
      }),
    );
  });
  const openMs = Math.round(performance.now() - startMs);
  print(`${servers.length} servers open      ${memory()} MB, ${openMs} ms`);

  const requests = await forEach(servers, async ({ port }) => {
    const { status } = await sendRequest("/healthz", { port, certificates });
    if (status !== 200) throw new Error(`healthz answers ${status}`);
  });
  const median = requests[Math.floor(requests.length / 2)] ?? 0;
  print(
    `one request to each    ${memory()} MB, median ${
      median.toFixed(1)
    } ms with its TLS handshake, ${AT_ONCE} at once, client included`,
  );

  startMs = performance.now();
  await forEach(
    servers,
    (server) => Promise.resolve(server.setTls(certificates.renewed)),
  );
  print(
    `certificates renewed   ${memory()} MB, ${
      Math.round(performance.now() - startMs)
    } ms`,
  );

  startMs = performance.now();
  await Promise.all(servers.map((server) => server.close()));
  print(
    `all closed             ${memory()} MB, ${
      Math.round(performance.now() - startMs)
    } ms`,
  );
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { servers: { type: "string", default: "1000" } },
  });
  await measure(Number(values.servers));
}

// SPDX-License-Identifier: Apache-2.0
/**
 * Many kubelet servers in one process: memory, time to open, time of one request, and that closing leaves nothing.
 * Run: deno run -A bench/kubelet.ts [--servers 1000]
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

const AT_ONCE = 16;
const MEGA = 1_000_000;

/** Resident memory after a pause for the collector, in megabytes. */
function memory(): number {
  return Math.round(Deno.memoryUsage().rss / MEGA);
}

/** Runs one after the other, a few at the same time, and gives the duration of each in milliseconds. */
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

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

const { values } = parseArgs({
  options: { servers: { type: "string", default: "1000" } },
});
const certificates = await makeCertificates();
const auth = new KubeletAuth({
  reviewToken: () => Promise.resolve(undefined),
  reviewAccess: () => Promise.resolve(true),
});
const handlers = new LocalNode();
const servers: KubeletServer[] = [];
const numbers = Array.from({ length: Number(values.servers) }, (_, at) => at);
say(`before                 ${memory()} MB`);

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
say(`${servers.length} servers open      ${memory()} MB, ${openMs} ms`);

const requests = await forEach(servers, async ({ port }) => {
  const { status } = await sendRequest("/healthz", { port, certificates });
  if (status !== 200) throw new Error(`healthz answers ${status}`);
});
const median = requests[Math.floor(requests.length / 2)] ?? 0;
say(
  `one request to each    ${memory()} MB, median ${
    median.toFixed(1)
  } ms with its TLS handshake, ${AT_ONCE} at once, client included`,
);

startMs = performance.now();
await forEach(
  servers,
  (server) => Promise.resolve(server.setTls(certificates.renewed)),
);
say(
  `certificates renewed   ${memory()} MB, ${
    Math.round(performance.now() - startMs)
  } ms`,
);

startMs = performance.now();
await Promise.all(servers.map((server) => server.close()));
say(
  `all closed             ${memory()} MB, ${
    Math.round(performance.now() - startMs)
  } ms`,
);

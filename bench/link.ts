// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task bench link [--megabytes 200]`: throughput of one encrypted gRPC link over loopback
 * with both ends in this process, compared with encryption alone and with the same link without
 * encryption.
 */
import { parseArgs } from "node:util";
import { SILENT_LOGGER } from "../lib/shared/base/mod.ts";
import {
  createGrpcDialer,
  type Link,
  listenGrpc,
} from "../lib/shared/link/mod.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../lib/operator/pki/mod.ts";
import { openBytes, sealBytes } from "../lib/shared/noise/aead.ts";
import {
  initiateHandshake,
  respondToHandshake,
} from "../lib/shared/noise/mod.ts";

const HOST = "127.0.0.1";
const PACKET_SIZES_BYTES = [4 * 1024, 32 * 1024, 65_000];
const MEGA = 1_000_000;

async function mustConnect() {
  const authority = await createAuthority({ name: "bench" });
  const tls = await issueServerCertificate({
    authority,
    commonName: "bench",
    ips: [HOST],
    dnsNames: [],
  });
  const log = SILENT_LOGGER;
  const listener = await listenGrpc({ host: HOST, port: 0, tls, log });
  const links = listener.links[Symbol.asyncIterator]();
  const dialer = createGrpcDialer({
    endpoint: `${HOST}:${listener.address.port}`,
    ca: authority.cert,
    log,
  });
  const [agent, { value: operator }] = await Promise.all([
    dialer.dial({ signal: AbortSignal.timeout(30_000) }),
    links.next(),
  ]);
  return { listener, agent, operator };
}

/** Sends bytes in one direction and returns the rate in MB/s. */
async function measure(
  ends: { from: Link; to: Link },
  { totalBytes, packetBytes }: { totalBytes: number; packetBytes: number },
): Promise<number> {
  const packet = crypto.getRandomValues(new Uint8Array(packetBytes));
  const packetCount = Math.ceil(totalBytes / packetBytes);
  const startMs = performance.now();
  const sending = (async () => {
    for (let count = 0; count < packetCount; count++) {
      await ends.from.send(packet);
    }
  })();
  const packets = ends.to.packets[Symbol.asyncIterator]();
  for (let count = 0; count < packetCount; count++) await packets.next();
  await sending;
  const seconds = (performance.now() - startMs) / 1000;
  return packetCount * packetBytes / MEGA / seconds;
}

function measureSealing(
  { totalBytes, packetBytes }: { totalBytes: number; packetBytes: number },
): { sealRate: number; openRate: number } {
  const key = new Uint8Array(32);
  const data = new Uint8Array(packetBytes);
  const sealed = sealBytes(key, { counter: 0, data });
  const packetCount = Math.ceil(totalBytes / packetBytes);
  const time = (work: () => void) => {
    const startMs = performance.now();
    for (let count = 0; count < packetCount; count++) work();
    const seconds = (performance.now() - startMs) / 1000;
    return packetCount * packetBytes / MEGA / seconds;
  };
  return {
    sealRate: time(() => sealBytes(key, { counter: 0, data })),
    openRate: time(() => openBytes(key, { counter: 0, sealed })),
  };
}

async function run(totalBytes: number): Promise<void> {
  const rows: string[] = [];
  const key = new Uint8Array(32).fill(1);
  for (const packetBytes of PACKET_SIZES_BYTES) {
    const size = { totalBytes, packetBytes };
    const { sealRate, openRate } = measureSealing(size);
    const { listener, agent, operator } = await mustConnect();
    const bare = await measure({ from: agent, to: operator }, size);
    const [up, { link: down }] = await Promise.all([
      initiateHandshake(agent, { device: "bench", key }),
      respondToHandshake(operator, {
        findKeys: () => Promise.resolve({ key }),
      }),
    ]);
    const upRate = await measure({ from: up, to: down }, size);
    const downRate = await measure({ from: down, to: up }, size);
    await listener[Symbol.asyncDispose]();
    rows.push(
      [packetBytes, sealRate, openRate, bare, upRate, downRate]
        .map((value) => String(Math.round(value)).padStart(9)).join(" "),
    );
  }
  const head = ["packet B", "seal", "open", "bare up", "sealed up", "down"];
  const text = [head.map((name) => name.padStart(9)).join(" "), ...rows];
  await Deno.stdout.write(
    new TextEncoder().encode(`${text.join("\n")}\n(MB/s)\n`),
  );
}

const { values } = parseArgs({
  options: { megabytes: { type: "string", default: "100" } },
});
await run(Number(values.megabytes) * MEGA);

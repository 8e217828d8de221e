// SPDX-License-Identifier: Apache-2.0
/** Attacks on the HTTP port with /metrics, /healthz and /readyz. */
import assert from "node:assert/strict";
import { concatBytes, utf8 } from "../../lib/shared/base/mod.ts";
import { pause, until } from "../../dev/base/wait.ts";
import {
  attack,
  type Attacker,
  type FloodOptions,
  useTarget,
} from "./_support/attack.ts";
import type { Wire } from "./_support/wire_client.ts";

useTarget();

/** Upper bound of connections to the port. */
const MAX_CONNECTIONS = 64;

function address({ target }: Attacker): { host: string; port: number } {
  return { host: "127.0.0.1", port: target.operator.httpPort };
}

const METRICS = utf8("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");

/** Waits until a probe of another network is answered during the attack. */
async function probeAll(attacker: Attacker): Promise<number> {
  const { machine } = attacker.target.apiserver;
  let count = 0;
  while (!attacker.isOver) {
    await until(async () => {
      const response = await fetch(
        `http://${machine.address}:${attacker.target.operator.httpPort}/healthz`,
      );
      return await response.text() === "ok\n";
    }, { what: "an answered probe", timeoutMs: 10_000 });
    count++;
    await pause(100);
  }
  return count;
}

/** Sends the same bytes on connections until the operator ends each, while others probe it. */
async function flood(
  attacker: Attacker,
  options: Omit<FloodOptions, "to">,
): Promise<string> {
  const [result, probeCount] = await Promise.all([
    attacker.flood({ ...options, to: address(attacker) }),
    probeAll(attacker),
  ]);
  return `${result}, ${probeCount} probes`;
}

attack("HTTP page: connections that send nothing", async (attacker) => {
  const wires: Wire[] = [];
  const probes = probeAll(attacker);
  await attacker.repeat(async () => {
    if (wires.length >= 3000) return await pause(20);
    const wire = await attacker.connect(address(attacker));
    if (wire) wires.push(wire.read());
  }, { lanes: 16 });
  const open = () => wires.filter(({ isOpen }) => isOpen).length;
  assert.ok(wires.length > MAX_CONNECTIONS, `only ${wires.length} connections`);
  await until(() => open() <= MAX_CONNECTIONS, {
    what: "bounded connections",
    timeoutMs: 10_000,
  });
  return `${wires.length} opened, ${open()} stayed open, ${await probes} probes`;
});

attack(
  "HTTP page: headers byte by byte on many connections (slow loris)",
  async (attacker) => {
    const probes = probeAll(attacker);
    const count = await attacker.trickle({
      to: address(attacker),
      bytes: utf8(`GET /metrics HTTP/1.1\r\nHost: ${"x".repeat(1000)}`),
      pauseMs: 50,
      lanes: 200,
    });
    assert.ok(count > MAX_CONNECTIONS, `only ${count} connections`);
    return `${count} connections, ${await probes} probes`;
  },
);

attack("HTTP page: headers without end", (attacker) =>
  flood(attacker, {
    first: utf8("GET /metrics HTTP/1.1\r\nHost: x\r\n"),
    bytes: utf8(`X-Large: ${"x".repeat(16_000)}\r\n`),
  }));

attack(
  "HTTP page: a URL without end",
  (attacker) =>
    flood(attacker, { first: utf8("GET /"), bytes: utf8("x".repeat(16_000)) }),
);

attack("HTTP page: a body without end", (attacker) =>
  flood(attacker, {
    first: utf8(
      "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000\r\n\r\n",
    ),
    bytes: new Uint8Array(64 * 1024),
  }));

attack(
  "HTTP page: chunks of one byte without end",
  (attacker) =>
    flood(attacker, {
      first: utf8(
        "POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
      ),
      bytes: concatBytes(
        Array.from({ length: 5000 }, () => utf8("1\r\nx\r\n")),
      ),
    }),
);

attack(
  "HTTP page: pipelined requests of /metrics, whose answers are not read",
  (attacker) =>
    flood(attacker, {
      reads: false,
      bytes: concatBytes(Array.from({ length: 500 }, () => METRICS)),
    }),
);

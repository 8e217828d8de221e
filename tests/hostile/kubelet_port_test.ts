// SPDX-License-Identifier: Apache-2.0
/** Attacks on a kubelet port, by clients without access and by one with it. */
import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { concatBytes, utf8 } from "../../lib/shared/base/mod.ts";
import { encodeFrame } from "../../lib/operator/streaming/spdy_frames.ts";
import { SpdyHeaderWriter } from "../../lib/operator/streaming/spdy_headers.ts";
import {
  makeAuthority,
  makeCertificate,
  NAMESPACE,
} from "../../dev/world/mod.ts";
import { pause } from "../../dev/base/wait.ts";
import { attack, type Attacker, useTarget } from "./_support/attack.ts";
import { HONEST, type Target } from "./_support/target.ts";
import type { Wire, WireOptions } from "./_support/wire_client.ts";

useTarget();

const EXEC = `/exec/${NAMESPACE}/${HONEST[0]}/host?command=true&output=1`;
const ENDLESS = `/exec/${NAMESPACE}/${HONEST[0]}/host?command=yes&output=1`;

/** The port, from another network than the API server's and without a certificate. */
function withoutAccess({ target }: Attacker): WireOptions {
  const { apiserver, kubeletPort: port } = target;
  return {
    host: "127.0.0.1",
    port,
    tls: {
      serverName: apiserver.machine.address,
      ca: readText(apiserver.keys.servers.cert),
    },
  };
}

/** The port, with a client certificate. */
function withCertificate(
  { target }: { target: Target },
  { cert, key }: { cert: string; key: string },
): WireOptions {
  const { apiserver, kubeletPort: port } = target;
  const { address } = apiserver.machine;
  return {
    host: address,
    port,
    tls: {
      serverName: address,
      ca: readText(apiserver.keys.servers.cert),
      client: { cert: readText(cert), key: readText(key) },
    },
  };
}

/** The port, with the API server's own certificate. */
function withAccess(attacker: Attacker): WireOptions {
  return withCertificate(
    attacker,
    attacker.target.apiserver.keys.kubeletClient,
  );
}

function readText(path: string): string {
  return Deno.readTextFileSync(path);
}

function toRequest(path: string, headers: string[] = []): Uint8Array {
  return utf8(
    `GET ${path} HTTP/1.1\r\n${
      ["Host: node", ...headers].join("\r\n")
    }\r\n\r\n`,
  );
}

function toUpgrade(path: string, headers: string[] = []): Uint8Array {
  const all = [
    "Host: node",
    "Connection: Upgrade",
    "Upgrade: SPDY/3.1",
    "X-Stream-Protocol-Version: v4.channel.k8s.io",
    ...headers,
  ];
  return utf8(`POST ${path} HTTP/1.1\r\n${all.join("\r\n")}\r\n\r\n`);
}

/** Sends one request on each of many connections, and reads the answers. */
async function requestAll(
  attacker: Attacker,
  { to, build, status }: {
    to: WireOptions;
    build: () => Uint8Array;
    status: RegExp;
  },
): Promise<string> {
  const answers = new Map<string, number>();
  await attacker.repeat(async () => {
    const wire = await attacker.connect(to);
    if (!wire) return await pause(10);
    wire.read();
    await wire.write(build());
    for (
      let wait = 0;
      wait < 100 && wire.isOpen && wire.receivedCount === 0 && !attacker.isOver;
      wait++
    ) {
      await pause(20);
    }
    const answer = wire.text.slice(9, 12) || "none";
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
    wire.close();
  }, { lanes: 16 });
  assert.ok(
    [...answers.keys()].every((one) => status.test(one)),
    Deno.inspect(answers),
  );
  return [...answers].map(([answer, count]) => `${count}× ${answer}`).join(
    ", ",
  );
}

attack("kubelet port: TCP connections that send nothing", async (attacker) => {
  const wires: Wire[] = [];
  const to = { host: "127.0.0.1", port: attacker.target.kubeletPort };
  await attacker.repeat(async () => {
    const wire = await attacker.connect(to);
    if (wire) wires.push(wire.read());
    if (wires.length > 2000) await pause(20);
  }, { lanes: 8 });
  const open = wires.filter(({ isOpen }) => isOpen).length;
  assert.ok(wires.length > 300, `only ${wires.length} connections`);
  return `${wires.length} opened, ${open} stayed open`;
});

attack(
  "kubelet port: requests without a certificate",
  (attacker) =>
    requestAll(attacker, {
      to: withoutAccess(attacker),
      build: () => toRequest("/pods"),
      status: /401|none/,
    }),
);

attack("kubelet port: client certificates of another CA", async (attacker) => {
  const folder = await Deno.makeTempDir();
  try {
    const foreign = await makeAuthority(folder, "foreign");
    const pair = await makeCertificate(folder, foreign, {
      name: "client",
      commonName: "kube-apiserver-kubelet-client",
      organizations: ["system:masters"],
    });
    return await requestAll(attacker, {
      to: withCertificate(attacker, pair),
      build: () => toRequest("/pods"),
      status: /401|none/,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

attack(
  "kubelet port: headers byte by byte on many connections (slow loris)",
  async (attacker) => {
    const count = await attacker.trickle({
      to: withoutAccess(attacker),
      bytes: toRequest("/pods", [`X-Slow: ${"x".repeat(5000)}`]),
      pauseMs: 100,
      lanes: 300,
    });
    assert.ok(count > 20, `only ${count} connections`);
    return `${count} connections`;
  },
);

attack(
  "kubelet port: an upgrade with a made-up token, followed by 400 MB",
  (attacker) =>
    attacker.flood({
      to: withoutAccess(attacker),
      first: toUpgrade(EXEC, [`Authorization: Bearer ${crypto.randomUUID()}`]),
      bytes: new Uint8Array(256 * 1024),
    }),
);

attack("kubelet port: thousands of made-up tokens", async (attacker) => {
  const before = await countTokenReviews(attacker.target);
  const answers = await requestAll(attacker, {
    to: withoutAccess(attacker),
    build: () =>
      toRequest("/pods", [`Authorization: Bearer ${crypto.randomUUID()}`]),
    status: /401|503|none/,
  });
  const reviews = await countTokenReviews(attacker.target) - before;
  // Four at a time, and each takes a while: many fewer than a client can send requests.
  assert.ok(reviews <= MAX_TOKEN_REVIEWS, `${reviews} TokenReviews`);
  return `${answers}; ${reviews} TokenReviews`;
});

/** Upper bound of what unauthenticated clients make the operator ask the API server in 2.5 s. */
const MAX_TOKEN_REVIEWS = 1500;

async function countTokenReviews({ apiserver }: Target): Promise<number> {
  const metrics = await apiserver.kubectl.run(["get", "--raw", "/metrics"]);
  return metrics.split("\n").filter((line) =>
    line.startsWith("apiserver_request_total") &&
    line.includes('resource="tokenreviews"')
  ).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

attack("kubelet port: headers without end", (attacker) =>
  attacker.flood({
    to: withoutAccess(attacker),
    first: utf8("GET /pods HTTP/1.1\r\nHost: node\r\n"),
    bytes: utf8(`X-Large: ${"x".repeat(16_000)}\r\n`),
  }));

attack("kubelet port: a URL without end", (attacker) =>
  attacker.flood({
    to: withoutAccess(attacker),
    first: utf8("GET /pods?"),
    bytes: utf8("x".repeat(16_000)),
  }));

attack("kubelet port: a body without end", (attacker) =>
  attacker.flood({
    to: withoutAccess(attacker),
    first: utf8(
      "POST /pods HTTP/1.1\r\nHost: node\r\nContent-Length: 100000000000\r\n\r\n",
    ),
    bytes: new Uint8Array(64 * 1024),
  }));

attack(
  "kubelet port: pipelined requests without a certificate, whose answers are not read",
  (attacker) =>
    attacker.flood({
      to: withoutAccess(attacker),
      reads: false,
      bytes: concatBytes(Array.from({ length: 200 }, () => toRequest("/pods"))),
    }),
);

attack(
  "kubelet port: pipelined requests of a user with access, whose answers are not read",
  (attacker) =>
    attacker.flood({
      to: withAccess(attacker),
      reads: false,
      bytes: concatBytes(
        Array.from({ length: 200 }, () => toRequest("/metrics/resource")),
      ),
    }),
);

/** Opens the streams of an exec whose headers are valid. */
function execStreams(): Uint8Array {
  const writer = new SpdyHeaderWriter();
  return concatBytes(["error", "stdout"].map((type, index) =>
    encodeFrame({
      type: "syn_stream",
      streamId: 1 + 2 * index,
      associatedId: 0,
      priority: 0,
      fin: false,
      unidirectional: false,
      block: writer.write({ streamtype: type }),
    })
  ));
}

attack("kubelet port: SPDY headers that inflate to 100 MiB", (attacker) => {
  const block = deflateSync(new Uint8Array(10 * 1024 * 1024)).subarray(
    0,
    16_000,
  );
  return attacker.flood({
    to: withAccess(attacker),
    first: toUpgrade(EXEC),
    bytes: encodeFrame({
      type: "syn_stream",
      streamId: 1,
      associatedId: 0,
      priority: 0,
      fin: false,
      unidirectional: false,
      block,
    }),
  });
});

attack(
  "kubelet port: a SPDY control frame of 16 MiB",
  (attacker) =>
    attacker.flood({
      to: withAccess(attacker),
      first: concatBytes([
        toUpgrade(EXEC),
        Uint8Array.of(0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff),
      ]),
      bytes: new Uint8Array(64 * 1024),
    }),
);

attack(
  "kubelet port: 10,000 SPDY streams on each connection",
  async (attacker) => {
    const open = (): () => Uint8Array => {
      const writer = new SpdyHeaderWriter();
      let streamId = -1;
      return () =>
        concatBytes(Array.from({ length: 500 }, () =>
          encodeFrame({
            type: "syn_stream",
            streamId: streamId += 2,
            associatedId: 0,
            priority: 0,
            fin: false,
            unidirectional: false,
            block: writer.write({
              streamtype: "data",
              port: "80",
              requestid: `${streamId}`,
            }),
          })));
    };
    const path = `/portForward/${NAMESPACE}/${HONEST[0]}`;
    const first = utf8(
      `POST ${path} HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n`,
    );
    let count = 0;
    await attacker.repeat(async () => {
      const wire = await attacker.connect(withAccess(attacker));
      if (!wire) return await pause(10);
      wire.read();
      await wire.write(first);
      const next = open();
      for (
        let part = 0;
        part < 20 && await attacker.untilOver(wire.write(next()));
        part++
      ) count += 500;
      wire.close();
    });
    assert.ok(count > 0);
    return `${count} streams`;
  },
);

attack(
  "kubelet port: SPDY data of streams that were never opened",
  (attacker) =>
    attacker.flood({
      to: withAccess(attacker),
      first: toUpgrade(EXEC),
      bytes: encodeFrame({
        type: "data",
        streamId: 99,
        fin: false,
        bytes: new Uint8Array(60_000),
      }),
    }),
);

attack(
  "kubelet port: SPDY PING without end, whose answers are not read",
  (attacker) =>
    attacker.flood({
      to: withAccess(attacker),
      reads: false,
      first: concatBytes([toUpgrade(ENDLESS), execStreams()]),
      bytes: concatBytes(
        Array.from(
          { length: 5000 },
          () => encodeFrame({ type: "ping", id: 1 }),
        ),
      ),
    }),
);

attack(
  "kubelet port: SPDY window updates and settings without end",
  (attacker) =>
    attacker.flood({
      to: withAccess(attacker),
      first: concatBytes([toUpgrade(ENDLESS), execStreams()]),
      bytes: concatBytes(Array.from({ length: 1000 }, () =>
        concatBytes([
          encodeFrame({
            type: "window_update",
            streamId: 1,
            delta: 0x7fff_ffff,
          }),
          encodeFrame({
            type: "settings",
            entries: [{ flags: 0, id: 7, value: 0x7fff_ffff }],
          }),
        ]))),
    }),
);

attack(
  "kubelet port: execs with endless output that are never read",
  async (attacker) => {
    let count = 0;
    await Promise.all(Array.from({ length: 10 }, async () => {
      const wire = await attacker.mustConnect(withAccess(attacker));
      await wire.write(concatBytes([toUpgrade(ENDLESS), execStreams()]));
      count++;
    }));
    await attacker.untilOver();
    return `${count} execs`;
  },
);

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { BlobFetcher } from "../../../lib/agent/commands/blobs.ts";
import { sha256Hex, utf8 } from "../../../lib/shared/base/mod.ts";
import { TestOperator } from "../_support/test_operator.ts";
import { until } from "../../../dev/base/wait.ts";
import { AgentFixture, KEY } from "../_support/agent_fixture.ts";
import {
  BlobsSchema,
  decodeMessage,
  encodeMessage,
  FetchBlobsSchema,
  Method,
  PodSpecSchema,
} from "../../../lib/shared/wire/mod.ts";

const SIGNAL = new AbortController().signal;

/** A session that answers each request with the first of the requested contents. */
class BlobSession {
  connected = true;
  /** Number of hashes in each request. */
  readonly counts: number[] = [];
  maxRunningCount = 0;
  #runningCount = 0;
  /** How many contents one response has. */
  readonly #contentCount: number;

  constructor(contentCount: number) {
    this.#contentCount = contentCount;
  }

  async request(_method: Method, payload: Uint8Array): Promise<Uint8Array> {
    this.maxRunningCount = Math.max(this.maxRunningCount, ++this.#runningCount);
    const { sha256 } = decodeMessage(FetchBlobsSchema, payload);
    this.counts.push(sha256.length);
    await Promise.resolve();
    this.#runningCount--;
    return encodeMessage(BlobsSchema, {
      contents: sha256.slice(0, this.#contentCount).map(utf8),
    });
  }
}

const HASHES = Array.from({ length: 150 }, (_none, index) => `h${index}`);

Deno.test("BlobFetcher.fetch() requests 64 contents at a time and keeps the order", async () => {
  const session = new BlobSession(64);
  const contents = await new BlobFetcher(session).fetch({
    podUid: "u1",
    hashes: HASHES,
    signal: SIGNAL,
  });
  assert.deepEqual(session.counts, [64, 64, 22]);
  assert.deepEqual(contents, HASHES.map(utf8));
});

Deno.test("BlobFetcher.fetch() requests again what a response did not contain", async () => {
  const session = new BlobSession(50);
  const contents = await new BlobFetcher(session).fetch({
    podUid: "u1",
    hashes: HASHES,
    signal: SIGNAL,
  });
  assert.deepEqual(session.counts, [64, 64, 50]);
  assert.deepEqual(contents, HASHES.map(utf8));
});

Deno.test("BlobFetcher.fetch() throws when a response has no content, or too many", async () => {
  for (const contents of [[], [utf8("a"), utf8("b")]]) {
    const fetcher = new BlobFetcher({
      connected: true,
      request: () => Promise.resolve(encodeMessage(BlobsSchema, { contents })),
    });
    await assert.rejects(
      fetcher.fetch({ podUid: "u1", hashes: ["h"], signal: SIGNAL }),
      { code: "invalid" },
    );
  }
});

Deno.test("BlobFetcher.fetch() runs one request at a time for all pods", async () => {
  const session = new BlobSession(1);
  const fetcher = new BlobFetcher(session);
  await Promise.all(
    ["u1", "u2", "u3"].map((podUid) =>
      fetcher.fetch({ podUid, hashes: ["a", "b"], signal: SIGNAL })
    ),
  );
  assert.equal(session.counts.length, 6);
  assert.equal(session.maxRunningCount, 1);
});

Deno.test("BlobFetcher.fetch() fails at once without a link", async () => {
  const fetcher = new BlobFetcher({
    connected: false,
    request: () => Promise.reject(new Error("unexpected request")),
  });
  await assert.rejects(
    fetcher.fetch({ podUid: "u1", hashes: ["h"], signal: SIGNAL }),
    { code: "unavailable" },
  );
});

Deno.test("BlobFetcher.fetch() fetches a volume's files from the operator", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  const content = new Uint8Array(300_000).fill(65);
  const sha256 = await sha256Hex(content);
  operator.blobs.set(sha256, content);
  await operator.request(
    Method.APPLY_POD,
    encodeMessage(PodSpecSchema, {
      uid: "u1",
      namespace: "ns",
      name: "web",
      volumes: [{
        name: "conf",
        source: {
          case: "files",
          value: { files: [{ path: "a", sha256, mode: 0o644 }] },
        },
      }],
      containers: [{ name: "app", image: "img" }],
    }),
  );
  await until(() => agent.engine.calls.includes("start app-0"), "started");
  const dir = `${agent.config.stateDir}/volumes/u1/volumes/conf`;
  assert.equal((await Deno.stat(`${dir}/a`)).size, 300_000);
});

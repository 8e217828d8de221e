// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fetchBlobs } from "../../../lib/agent/commands/blobs.ts";
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

Deno.test("fetchBlobs() requests eight contents at a time and keeps the order", async () => {
  const counts: number[] = [];
  const hashes = Array.from({ length: 19 }, (_none, index) => `h${index}`);
  const contents = await fetchBlobs({
    connected: true,
    request(_method, payload) {
      const { sha256 } = decodeMessage(FetchBlobsSchema, payload);
      counts.push(sha256.length);
      return Promise.resolve(
        encodeMessage(BlobsSchema, { contents: sha256.map(utf8) }),
      );
    },
  }, { podUid: "u1", hashes, signal: SIGNAL });
  assert.deepEqual(counts, [8, 8, 3]);
  assert.deepEqual(contents, hashes.map(utf8));
});

Deno.test("fetchBlobs() fails at once without a link", async () => {
  await assert.rejects(
    fetchBlobs({
      connected: false,
      request: () => Promise.reject(new Error("unexpected request")),
    }, { podUid: "u1", hashes: ["h"], signal: SIGNAL }),
    { code: "unavailable" },
  );
});

Deno.test("fetchBlobs() fetches a volume's files from the operator", async () => {
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

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fetchBlobs } from "../../../lib/agent/commands/blobs.ts";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { OperatorEnd } from "../_support/operator_end.ts";
import { KEY, RunningAgent } from "../_support/running_agent.ts";
import {
  BlobsSchema,
  decodeMessage,
  encodeMessage,
  FetchBlobsSchema,
  Method,
  PodSpecSchema,
} from "../../../lib/shared/wire/mod.ts";
import { sha256Hex } from "../../../lib/shared/base/mod.ts";

const SIGNAL = new AbortController().signal;

Deno.test("fetchBlobs() asks for eight at a time and keeps the order", async () => {
  const asked: number[] = [];
  const hashes = Array.from({ length: 19 }, (_none, index) => `h${index}`);
  const contents = await fetchBlobs({
    connected: true,
    request(_method, payload) {
      const { sha256 } = decodeMessage(FetchBlobsSchema, payload);
      asked.push(sha256.length);
      return Promise.resolve(
        encodeMessage(BlobsSchema, { contents: sha256.map(utf8) }),
      );
    },
  }, { podUid: "u1", hashes, signal: SIGNAL });
  assert.deepEqual(asked, [8, 8, 3]);
  assert.deepEqual(contents, hashes.map(utf8));
});

Deno.test("fetchBlobs() says at once that there is no link", async () => {
  await assert.rejects(
    fetchBlobs({
      connected: false,
      request: () => Promise.reject(new Error("asked")),
    }, { podUid: "u1", hashes: ["h"], signal: SIGNAL }),
    { code: "unavailable" },
  );
});

Deno.test("fetchBlobs() brings a volume's files from the operator", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using agent = new RunningAgent(operator.endpoint);
  await operator.connected();
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
  await operator.until(
    "started",
    () => agent.engine.calls.includes("start app-0"),
  );
  const dir = `${agent.config.stateDir}/volumes/u1/volumes/conf`;
  assert.equal((await Deno.stat(`${dir}/a`)).size, 300_000);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  BlobsSchema,
  create,
  decodeMessage,
  encodeMessage,
  EventListSchema,
  FactsSchema,
  FetchBlobsSchema,
  Method,
  PodStatusListSchema,
} from "../../../lib/shared/wire/mod.ts";
import { toInboxHandlers } from "../../../lib/operator/device/reports.ts";

const signal = new AbortController().signal;

function given(seen: string[]) {
  return toInboxHandlers("edge-1", {
    onFacts: ({ os }) => void seen.push(`facts ${os}`),
    onPods: ({ pods }) => (seen.push(`pods ${pods.length}`), Promise.resolve()),
    onEvents: ({ events }) => void seen.push(`events ${events.length}`),
    fetchBlobs: ({ sha256 }) =>
      Promise.resolve(
        create(BlobsSchema, { contents: sha256.map(() => new Uint8Array(2)) }),
      ),
  });
}

Deno.test("request() turns each report into its call", async () => {
  const seen: string[] = [];
  const { request } = given(seen);
  const facts = encodeMessage(FactsSchema, { os: "linux" });
  await request(Method.REPORT_FACTS, facts, signal);
  const pods = create(PodStatusListSchema, { pods: [{ uid: "1" }] });
  await request(
    Method.REPORT_PODS,
    encodeMessage(PodStatusListSchema, pods),
    signal,
  );
  const events = create(EventListSchema, { events: [{ reason: "x" }] });
  await request(
    Method.REPORT_EVENTS,
    encodeMessage(EventListSchema, events),
    signal,
  );
  assert.deepEqual(seen, ["facts linux", "pods 1", "events 1"]);
});

Deno.test("request() answers with the blobs that were asked for", async () => {
  const { request } = given([]);
  const wanted = create(FetchBlobsSchema, { sha256: ["aa", "bb"] });
  const reply = await request(
    Method.FETCH_BLOBS,
    encodeMessage(FetchBlobsSchema, wanted),
    signal,
  );
  assert.equal(decodeMessage(BlobsSchema, reply).contents.length, 2);
});

Deno.test("request() refuses broken bytes of every report with invalid", async () => {
  const seen: string[] = [];
  const { request } = given(seen);
  const broken = Uint8Array.of(0x0a, 0x50, 1);
  const methods = [
    Method.REPORT_FACTS,
    Method.REPORT_PODS,
    Method.REPORT_EVENTS,
    Method.FETCH_BLOBS,
  ];
  for (const method of methods) {
    await assert.rejects(request(method, broken, signal), { code: "invalid" });
  }
  assert.deepEqual(seen, []);
});

Deno.test("request() and stream() refuse what this operator does not know", async () => {
  const { request, stream } = given([]);
  const none = new Uint8Array();
  await assert.rejects(request(Method.EXEC, none, signal), {
    code: "unsupported",
  });
  await assert.rejects(stream(Method.EXEC, none, {} as never), {
    code: "unsupported",
  });
});

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
import { toReportHandlers } from "../../../lib/operator/device/reports.ts";

const signal = new AbortController().signal;

function createHandlers(seen: string[]) {
  return toReportHandlers("edge-1", {
    onFactsReported: ({ os }) => void seen.push(`facts ${os}`),
    onPodsReported: (
      { pods },
    ) => (seen.push(`pods ${pods.length}`), Promise.resolve()),
    onEventsReported: ({ events }) => void seen.push(`events ${events.length}`),
    fetchBlobs: ({ sha256 }) =>
      Promise.resolve(
        create(BlobsSchema, { contents: sha256.map(() => new Uint8Array(2)) }),
      ),
  });
}

Deno.test("request() decodes each report and passes it on", async () => {
  const seen: string[] = [];
  const { request } = createHandlers(seen);
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

Deno.test("request() answers FETCH_BLOBS with the blobs", async () => {
  const { request } = createHandlers([]);
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
  const { request } = createHandlers(seen);
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

Deno.test("request() and stream() refuse other methods", async () => {
  const { request, stream } = createHandlers([]);
  const none = new Uint8Array();
  await assert.rejects(request(Method.EXEC, none, signal), {
    code: "unsupported",
  });
  await assert.rejects(stream(Method.EXEC, none, {} as never), {
    code: "unsupported",
  });
});

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
  toMethodName,
} from "../../../lib/shared/wire/mod.ts";
import { toReportHandlers } from "../../../lib/operator/device/reports.ts";

const signal = new AbortController().signal;

function createHandlers(seen: string[], counts: number[] = []) {
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
    onFieldsReceived: (count) => void counts.push(count),
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

Deno.test("request() counts the fields of every report, also of a refused one", async () => {
  const counts: number[] = [];
  const { request } = createHandlers([], counts);
  const three = Array.from({ length: 3 }, () => ({}));
  const reports = [
    [Method.REPORT_FACTS, encodeMessage(FactsSchema, { conditions: three })],
    [
      Method.REPORT_PODS,
      encodeMessage(PodStatusListSchema, { pods: [{ containers: three }] }),
    ],
    [Method.REPORT_EVENTS, encodeMessage(EventListSchema, { events: three })],
    [Method.FETCH_BLOBS, encodeMessage(FetchBlobsSchema, { podUid: "u" })],
  ] as const;
  for (const [method, payload] of reports) {
    await request(method, payload, signal);
  }
  assert.deepEqual(counts, [3, 4, 3, 1]);
  const conditions = Array.from({ length: 9000 }, () => ({}));
  const payload = encodeMessage(FactsSchema, { conditions });
  await assert.rejects(request(Method.REPORT_FACTS, payload, signal));
  assert.equal(counts.at(-1), 4097);
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

Deno.test("request() refuses a report above the limit of its method before it decodes it", async () => {
  const seen: string[] = [];
  const { request } = createHandlers(seen);
  const limits = new Map([
    [Method.REPORT_FACTS, 64 * 1024],
    [Method.REPORT_EVENTS, 512 * 1024],
    [Method.FETCH_BLOBS, 16 * 1024],
  ]);
  for (const [method, maxBytes] of limits) {
    // No message at all: it is not decoded.
    const payload = new Uint8Array(maxBytes + 1).fill(0xff);
    await assert.rejects(request(method, payload, signal), {
      code: "too_large",
      message: `Cannot handle ${
        toMethodName(method)
      } of device "edge-1": it has ${
        maxBytes + 1
      } bytes, expected at most ${maxBytes}`,
    });
  }
  assert.deepEqual(seen, []);
});

Deno.test("request() refuses a report of pods with more fields than any device reports", async () => {
  const { request } = createHandlers([]);
  const payload = encodeMessage(PodStatusListSchema, {
    pods: [{ podIps: Array.from({ length: 70_000 }, () => "") }],
  });
  await assert.rejects(request(Method.REPORT_PODS, payload, signal), {
    code: "too_large",
    message: /PodStatusList: it has more than 65536 fields/,
  });
});

Deno.test("request() refuses facts with more than 4096 fields", async () => {
  const seen: string[] = [];
  const { request } = createHandlers(seen);
  const report = (count: number) =>
    request(
      Method.REPORT_FACTS,
      encodeMessage(FactsSchema, {
        conditions: Array.from({ length: count }, () => ({})),
      }),
      signal,
    );
  await report(4096);
  await assert.rejects(report(4097), {
    code: "too_large",
    message:
      "Cannot decode Facts: it has more than 4096 fields, the most allowed",
  });
  assert.equal(seen.length, 1);
});

Deno.test("request() refuses REPORT_PODS with more than 1024 pods", async () => {
  const seen: string[] = [];
  const { request } = createHandlers(seen);
  const report = (count: number) =>
    request(
      Method.REPORT_PODS,
      encodeMessage(PodStatusListSchema, {
        pods: Array.from({ length: count }, () => ({})),
      }),
      signal,
    );
  await report(1024);
  await assert.rejects(report(1025), {
    code: "too_large",
    message:
      "Cannot decode PodStatusList: it has more than 1024 elements, the most allowed",
  });
  assert.deepEqual(seen, ["pods 1024"]);
});

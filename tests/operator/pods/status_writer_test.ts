// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  type Clock,
  type ErrorCode,
} from "../../../lib/shared/base/mod.ts";
import {
  type KubeClient,
  type PatchOptions,
  POD,
  type Pod,
} from "../../../lib/operator/kube/mod.ts";
import { PodStatusWriter } from "../../../lib/operator/pods/status_writer.ts";
import { clusterOfFile } from "../../_support/cluster.ts";
import { PodFixture } from "./_support/pod_fixture.ts";

const cluster = clusterOfFile();

const SIGNAL = new AbortController().signal;
const CLOCK: Clock = {
  monotonicMs: () => 0,
  wallMs: () => Date.UTC(2026, 0, 2, 3, 4, 5),
  sleep: () => Promise.resolve(),
};

function makePod(resourceVersion: string): Pod {
  return {
    metadata: { namespace: "ns", name: "web", uid: "u-1", resourceVersion },
    spec: { containers: [{ name: "app" }] },
  };
}

/** Opens a writer whose patches return a pod of version 10, or fail with a code. */
function open() {
  const patches: PatchOptions[] = [];
  const server: { failure?: ErrorCode } = {};
  const client = {
    patch: (_type: unknown, _ref: unknown, options: PatchOptions) => {
      patches.push(options);
      return server.failure
        ? Promise.reject(new AranyaError(server.failure, "Cannot patch pod"))
        : Promise.resolve(makePod("10"));
    },
  } as Pick<KubeClient, "patch">;
  return { writer: new PodStatusWriter(client, CLOCK), patches, server };
}

Deno.test("PodStatusWriter.write() patches the status of this very pod", async () => {
  const { writer, patches } = open();
  await writer.write({ pod: makePod("9") }, SIGNAL);
  const [patch] = patches;
  assert.equal(patch?.subresource, "status");
  assert.equal(patch?.kind, "strategic");
  const body = patch?.body as {
    metadata: unknown;
    status: { startTime: string };
  };
  assert.deepEqual(body.metadata, { uid: "u-1" });
  assert.equal(body.status.startTime, "2026-01-02T03:04:05Z");
});

Deno.test("PodStatusWriter.write() sends nothing when the status is up to date", async () => {
  const { writer, patches } = open();
  const pod: Pod = { ...makePod("9"), status: { phase: "Succeeded" } };
  await writer.write({ pod }, SIGNAL);
  assert.equal(patches.length, 0);
});

Deno.test("PodStatusWriter.latest() returns the written pod until the informer has caught up", async () => {
  const { writer } = open();
  const pod = makePod("9");
  assert.equal(writer.latest(pod), pod);
  await writer.write({ pod }, SIGNAL);
  assert.equal(writer.latest(pod).metadata.resourceVersion, "10");
  const caughtUp = makePod("10");
  assert.equal(writer.latest(caughtUp), caughtUp);
  // dropped by then
  assert.equal(writer.latest(pod), pod);
});

Deno.test("PodStatusWriter.latest() never prefers a version that is not a number", async () => {
  const { writer } = open();
  await writer.write({ pod: makePod("9") }, SIGNAL);
  const opaque = makePod("opaque");
  assert.equal(writer.latest(opaque), opaque);
});

Deno.test("PodStatusWriter.delete() drops the written pod", async () => {
  const { writer } = open();
  const pod = makePod("9");
  await writer.write({ pod }, SIGNAL);
  writer.delete("u-1");
  assert.equal(writer.latest(pod), pod);
});

Deno.test("PodStatusWriter.write() ignores that the pod was deleted or replaced", async () => {
  const { writer, server } = open();
  for (const failure of ["not_found", "conflict"] as const) {
    server.failure = failure;
    await writer.write({ pod: makePod("9") }, SIGNAL);
  }
  server.failure = "forbidden";
  await assert.rejects(writer.write({ pod: makePod("9") }, SIGNAL), {
    code: "forbidden",
  });
});

Deno.test("PodStatusWriter.write() returns false when another pod has the name on the API server", async () => {
  await using fixture = await PodFixture.start(cluster, "status-writer");
  const { client } = fixture;
  const former = await fixture.createPod("web");
  await client.delete(POD, former.metadata, { gracePeriodSeconds: 0 });
  const present = await fixture.createPod("web");
  const writer = new PodStatusWriter(client, CLOCK);
  assert.equal(await writer.write({ pod: former }, SIGNAL), false);
  const { metadata } = await client.get(POD, present.metadata);
  assert.equal(metadata.resourceVersion, present.metadata.resourceVersion);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { PodControl } from "../../../lib/operator/device/pod_control.ts";
import { NODE, POD } from "../../../lib/operator/kube/mod.ts";
import type { PodController } from "../../../lib/operator/pods/mod.ts";
import {
  create,
  FetchBlobsSchema,
  PodStatusListSchema,
} from "../../../lib/shared/wire/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

const signal = new AbortController().signal;

Deno.test("PodControl finds pods while it runs, and none while it is stopped", async () => {
  await using fixture = await DeviceFixture.start();
  const { namespace, name } = fixture.ref;
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  await fixture.api.putObject(POD, {
    metadata: { namespace, name: "web" },
    spec: { nodeName: name, containers: [{ name: "app", image: "i" }] },
  });
  const { sources } = fixture.stores;
  await until(
    () => sources.findPod(`${namespace}/web`) !== undefined,
    "the pod",
  );
  const target = { namespace, pod: "web", container: "" };
  assert.equal(device.pods.findContainer(target).container, "app");
  assert.equal(device.pods.list({ running: false }).items.length, 1);
  await fixture.api.deleteObject(NODE, { name });
  await device.onNodeForeign();
  assert.throws(() => device.pods.findContainer(target), {
    code: "not_found",
    message: /node "edge-.*" is not served$/,
  });
  assert.deepEqual(device.pods.list({ running: false }).items, []);
  await assert.rejects(device.pods.fetchBlobs(create(FetchBlobsSchema)), {
    code: "unavailable",
  });
  await device.pods.onPodsReported(create(PodStatusListSchema));
});

/** A controller that records its calls, and closes when `closed` is resolved. */
function createSlowController(name: string, calls: string[]) {
  const closed = Promise.withResolvers<void>();
  const controller = {
    onDeviceConnected: () => void calls.push(`${name} connected`),
    close: () => {
      calls.push(`${name} closing`);
      return closed.promise;
    },
  } as unknown as PodController;
  return { controller, closed };
}

Deno.test("PodControl starts a controller only when the former one has stopped, with the connection that is open then", async () => {
  const calls: string[] = [];
  const first = createSlowController("first", calls);
  const second = createSlowController("second", calls);
  const controllers = [first, second];
  const pods = new PodControl({
    node: "edge-1",
    createController: () => {
      const next = controllers.shift();
      assert.ok(next);
      return next.controller;
    },
  });
  pods.start();
  pods.start();
  const stopped = pods.stop();
  pods.onDeviceConnected({ capabilities: ["pods.v1"] });
  pods.start();
  assert.equal(pods.isRunning, false);
  first.closed.resolve();
  await stopped;
  assert.equal(pods.isRunning, true);
  assert.deepEqual(calls, ["first closing", "second connected"]);
  const closed = pods.close();
  second.closed.resolve();
  await closed;
  pods.start();
  assert.equal(pods.isRunning, false);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  createEventRecorder,
  createKubeClient,
  EVENT,
} from "../../../lib/operator/kube/mod.ts";
import { NAMESPACE } from "../_support/kinds.ts";
import { openCluster } from "../../_support/cluster.ts";

const namespace = `test-${crypto.randomUUID().slice(0, 8)}`;

Deno.test("createEventRecorder()", async (t) => {
  await using cluster = await openCluster();
  await using client = await createKubeClient({
    kubeconfigFile: cluster.kubeconfig,
    log: SILENT_LOGGER,
  });
  await client.create(NAMESPACE, { metadata: { name: namespace } });
  await t.step(
    "writes equal events as one with a count, and limits those about one object",
    async () => {
      const recorder = createEventRecorder({ client, log: SILENT_LOGGER });
      const involvedObject = {
        kind: "Pod",
        namespace,
        name: "web",
        uid: "u-1",
      };
      const event = {
        involvedObject,
        type: "Warning" as const,
        reason: "BackOff",
        message: "again",
        host: "edge-1",
      };
      for (let index = 0; index < 3; index++) recorder.record(event);
      await recorder.flush();
      recorder.record(event);
      for (let index = 0; index < 60; index++) {
        recorder.record({ ...event, message: `other ${index}` });
      }
      await recorder.flush();
      await recorder[Symbol.asyncDispose]();
      const { items } = await client.list(EVENT, { namespace });
      const mine = items.filter(({ involvedObject }) =>
        involvedObject.uid === "u-1"
      );
      const again = mine.filter(({ message }) => message === "again");
      assert.equal(again.length, 1);
      assert.equal(again[0]?.count, 4);
      assert.deepEqual(again[0]?.source, {
        component: "aranya",
        host: "edge-1",
      });
      assert.ok(mine.length <= 25, `${mine.length}`);
    },
  );
});

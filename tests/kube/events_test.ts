// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../lib/base/mod.ts";
import {
  createEventRecorder,
  createKubeClient,
  EVENT,
} from "../../lib/kube/mod.ts";
import { Apiserver } from "../support/mod.ts";

const namespace = "default";

Deno.test("createEventRecorder()", async (t) => {
  await using apiserver = await Apiserver.start();
  await using client = await createKubeClient({
    kubeconfigFile: apiserver.kubeconfig,
    log: SILENT_LOGGER,
  });
  await t.step(
    "makes equal events one with a count",
    async () => {
      const recorder = createEventRecorder({ client, log: SILENT_LOGGER });
      const about = { kind: "Pod", namespace, name: "web", uid: "u-1" };
      const note = {
        about,
        type: "Warning" as const,
        reason: "BackOff",
        message: "again",
        host: "edge-1",
      };
      for (let index = 0; index < 3; index++) recorder.record(note);
      await recorder.flush();
      recorder.record(note);
      for (let index = 0; index < 60; index++) {
        recorder.record({ ...note, message: `other ${index}` });
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

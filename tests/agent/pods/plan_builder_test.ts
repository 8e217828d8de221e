// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type Action,
  actionKey,
  PlanBuilder,
  type StopAction,
} from "../../../lib/agent/pods/plan_builder.ts";

const STOP: StopAction = {
  kind: "stop",
  name: "app",
  id: "c0",
  stopByMs: 5,
  cause: "removed",
  isHeld: false,
};
const START: Action = {
  kind: "start",
  name: "app",
  attempt: 0,
  image: "img:1",
  backoffLevel: 0,
};

for (
  const [action, key] of [
    [{ kind: "prepareVolumes" }, "volumes"],
    [{ kind: "ensureSandbox" }, "sandbox"],
    [{ kind: "removeInstance", id: "c0", name: "app" }, "remove/c0"],
    [START, "container/app"],
    [STOP, "container/app"],
    [{ kind: "failPod", reason: "", message: "" }, "failPod"],
    [{ kind: "release" }, "release"],
    [{ kind: "purge" }, "purge"],
  ] as const satisfies (readonly [Action, string])[]
) {
  Deno.test(`actionKey() returns "${key}" when the action is ${action.kind}`, () => {
    assert.equal(actionKey(action), key);
  });
}

Deno.test("addAction() drops an action when one with its key runs", () => {
  const builder = new PlanBuilder(new Set(["container/app"]));
  builder.addAction(START);
  builder.addAction({ kind: "purge" });
  assert.deepEqual(builder.plan.actions, [{ kind: "purge" }]);
});

Deno.test("updateStop() adds a stop when another one runs", () => {
  const builder = new PlanBuilder(new Set(["container/app"]));
  builder.updateStop(STOP);
  assert.deepEqual(builder.plan.actions, [STOP]);
});

Deno.test("abort() has the keys of running actions only", () => {
  const builder = new PlanBuilder(new Set(["container/app"]));
  builder.abort("container/app");
  builder.abort("volumes");
  assert.deepEqual([...builder.plan.aborts], ["container/app"]);
});

Deno.test("syncAt() keeps the earliest time", () => {
  const builder = new PlanBuilder(new Set());
  builder.syncAt(undefined);
  assert.equal(builder.plan.syncAtMs, undefined);
  for (const atMs of [7, 5, undefined, 6]) builder.syncAt(atMs);
  assert.equal(builder.plan.syncAtMs, 5);
});

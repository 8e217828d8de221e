// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  ConfigureSchema,
  create,
  decodeMessage,
  encodeMessage,
  Method,
  PodSpecSchema,
  PodStatusListSchema,
  PurgePodSchema,
  RemovePodSchema,
} from "../../../lib/shared/wire/mod.ts";
import { fromUtf8, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  createSeal,
  loadStateKey,
  openStore,
} from "../../../lib/agent/state/mod.ts";
import { TestOperator } from "../_support/test_operator.ts";
import { until } from "../../../dev/base/wait.ts";
import { AgentFixture, KEY } from "../_support/agent_fixture.ts";

const SPEC = create(PodSpecSchema, {
  uid: "u1",
  namespace: "ns",
  name: "web",
  containers: [{ name: "app", image: "img" }],
});

Deno.test("applyPod(), removePod() and purgePod() start, stop and remove a pod", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await operator.request(
    Method.CONFIGURE,
    encodeMessage(ConfigureSchema, { podCidr: "10.9.0.0/26" }),
  );
  await operator.request(Method.APPLY_POD, encodeMessage(PodSpecSchema, SPEC));
  await until(() => agent.engine.calls.includes("start app-0"), "started");
  await operator.request(
    Method.REMOVE_POD,
    encodeMessage(RemovePodSchema, { uid: "u1", graceSeconds: 9n }),
  );
  await until(
    () => operator.statuses.get("u1")?.terminated ?? false,
    "a terminated pod",
  );
  assert.ok(agent.engine.wasStopped("app-0", { graceSeconds: 9 }));
  await operator.request(
    Method.PURGE_POD,
    encodeMessage(PurgePodSchema, { uid: "u1" }),
  );
  await until(() => agent.engine.pods.size === 0, "an empty engine");
});

Deno.test("applyPod() returns once the pod is persisted", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await operator.request(Method.APPLY_POD, encodeMessage(PodSpecSchema, SPEC));
  // What an agent reads that starts now.
  const store = await openStore({
    dir: agent.config.stateDir,
    seal: createSeal(
      await loadStateKey(agent.config.stateKeyFile, {
        stateDir: agent.config.stateDir,
        signal: AbortSignal.timeout(30_000),
      }),
    ),
    log: SILENT_LOGGER,
  });
  const record = await store.read({ kind: "pod", key: "u1" });
  assert.ok(record, "the pod has no record");
  assert.match(fromUtf8(record), /web/);
});

Deno.test("listPods() returns the pods after a restart of the agent", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await operator.request(Method.APPLY_POD, encodeMessage(PodSpecSchema, SPEC));
  await until(() => agent.engine.calls.includes("start app-0"), "started");
  await agent.stop();
  await operator.renewSession();
  agent.start();
  await until(() => operator.greetings.length === 2, "the next link");
  const { pods } = decodeMessage(
    PodStatusListSchema,
    await operator.request(Method.LIST_PODS),
  );
  assert.equal(pods[0]?.containers[0]?.containerId, "docker://app-0");
});

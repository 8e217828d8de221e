// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { runAgent } from "../../lib/agent/mod.ts";
import {
  create,
  decodeMessage,
  encodeMessage,
  Method,
  PodSpecSchema,
  PodStatusListSchema,
} from "../../lib/shared/wire/mod.ts";
import { TestOperator } from "./_support/test_operator.ts";
import { until } from "../../dev/base/wait.ts";
import { AgentFixture, KEY } from "./_support/agent_fixture.ts";

const POD = create(PodSpecSchema, {
  uid: "u1",
  namespace: "ns",
  name: "web",
  specHash: "h1",
  containers: [{ name: "app", image: "img" }],
});

Deno.test("runAgent() connects, reports facts, runs a pod and reports it", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await until(() => operator.facts.length === 1, "facts");
  assert.equal(operator.facts[0]?.machineId, "m1");
  assert.equal(operator.facts[0]?.host?.exec, true);
  assert.deepEqual(operator.greetings[0]?.hello.machineId, "m1");
  await operator.request(
    Method.APPLY_POD,
    encodeMessage(PodSpecSchema, POD),
  );
  await until(
    () =>
      operator.statuses.get("u1")?.containers[0]?.state?.state.case ===
        "running",
    "running",
  );
  const { pods } = decodeMessage(
    PodStatusListSchema,
    await operator.request(Method.LIST_PODS),
  );
  assert.equal(pods[0]?.specHash, "h1");
  await until(
    () => operator.events.some(({ reason }) => reason === "Started"),
    "events",
  );
  assert.deepEqual(agent.engine.calls, ["sandbox u1", "start app-0"]);
});

Deno.test("runAgent() logs what was left out of agent.yaml", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint, {
    warnings: ['line 3: endpoints[0]: must be "host:port"'],
  });
  await operator.waitForLink();
  assert.ok(agent.log.lines.includes("part of agent.yaml is ignored"));
});

Deno.test("runAgent() reconnects after the link is lost, and reports facts again", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using _agent = new AgentFixture(operator.endpoint);
  await until(() => operator.facts.length === 1, "facts");
  operator.cutLink();
  await until(() => operator.facts.length === 2, "facts again");
  assert.equal(operator.greetings[1]?.welcome.resumed, true);
});

Deno.test("runAgent() sends statuses again that were lost with a link", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await operator.request(Method.APPLY_POD, encodeMessage(PodSpecSchema, POD));
  await until(
    () =>
      operator.statuses.get("u1")?.containers[0]?.state?.state.case ===
        "running",
    "running",
  );
  operator.decide = () => ({ redirect: { endpoint: "127.0.0.1:1" } });
  operator.cutLink();
  agent.engine.exitContainer("app-0", 3);
  await until(
    () => agent.engine.calls.includes("start app-1"),
    "restarted",
  );
  operator.decide = undefined;
  await until(
    () => operator.statuses.get("u1")?.containers[0]?.restartCount === 1,
    "reported",
  );
});

Deno.test("runAgent() takes over when another agent of the device stops", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using first = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await using second = new AgentFixture(operator.endpoint, {
    stateDir: first.config.stateDir,
    stateKeyFile: first.config.stateKeyFile,
  });
  await until(() =>
    second.log.lines.includes(
      "another agent of this device is running, waiting",
    ), "a waiting agent");
  const startedMs = performance.now();
  await first.stop();
  await until(
    () => operator.greetings.length === 2,
    "the other agent's link",
  );
  // The lock is polled every 0.5 s; the rest is the agent's start on a busy machine.
  assert.ok(performance.now() - startedMs < 20_000);
});

Deno.test("runAgent() logs that the credential is wrong, and retries", async () => {
  await using operator = await TestOperator.start({
    key: new Uint8Array(32).fill(9),
  });
  await using agent = new AgentFixture(operator.endpoint);
  await until(
    () =>
      agent.log.lines.some((line) =>
        /unknown device or wrong credential/.test(line)
      ),
    "a log line",
  );
  operator.keys = { key: KEY };
  await operator.waitForLink();
});

Deno.test("runAgent() follows a redirect", async () => {
  await using target = await TestOperator.start({ key: KEY });
  await using operator = await TestOperator.start({ key: KEY });
  operator.decide = () => ({ redirect: { endpoint: target.endpoint } });
  await using _agent = new AgentFixture(operator.endpoint);
  await target.waitForLink();
});

Deno.test("runAgent() fails when state directory, key file or CA can't be used", async () => {
  const file = await Deno.makeTempFile();
  await using agent = new AgentFixture("127.0.0.1:1");
  await agent.stop();
  const options = agent.createOptions(new AbortController());
  await assert.rejects(
    runAgent({
      ...options,
      config: { ...agent.config, stateDir: `${file}/x` },
    }),
    /Cannot use state directory ".*": a part of the path is not a directory/,
  );
  await assert.rejects(
    runAgent({
      ...options,
      config: { ...agent.config, stateKeyFile: `${file}/x` },
    }),
    /Cannot use state key file/,
  );
  await assert.rejects(
    runAgent({
      ...options,
      config: { ...agent.config, insecure: false, ca: "x" },
    }),
    { code: "invalid" },
  );
  await Deno.remove(file);
});

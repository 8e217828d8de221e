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
import { OperatorEnd } from "./_support/operator_end.ts";
import { KEY, RunningAgent } from "./_support/running_agent.ts";

const POD = create(PodSpecSchema, {
  uid: "u1",
  namespace: "ns",
  name: "web",
  specHash: "h1",
  containers: [{ name: "app", image: "img" }],
});

Deno.test("runAgent() connects, tells facts, takes a pod and reports it", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using agent = new RunningAgent(operator.endpoint);
  await operator.connected();
  await operator.until("facts", () => operator.facts.length === 1);
  assert.equal(operator.facts[0]?.machineId, "m1");
  assert.equal(operator.facts[0]?.host?.exec, true);
  assert.deepEqual(operator.greetings[0]?.hello.machineId, "m1");
  await operator.request(
    Method.APPLY_POD,
    encodeMessage(PodSpecSchema, POD),
  );
  await operator.until(
    "running",
    () =>
      operator.statuses.get("u1")?.containers[0]?.state?.state.case ===
        "running",
  );
  const { pods } = decodeMessage(
    PodStatusListSchema,
    await operator.request(Method.LIST_PODS),
  );
  assert.equal(pods[0]?.specHash, "h1");
  await operator.until(
    "events",
    () => operator.events.some(({ reason }) => reason === "Started"),
  );
  assert.deepEqual(agent.engine.calls, ["sandbox u1", "start app-0"]);
});

Deno.test("runAgent() comes back after a cut, and tells facts again", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using _agent = new RunningAgent(operator.endpoint);
  await operator.until("facts", () => operator.facts.length === 1);
  operator.cut();
  await operator.until("facts again", () => operator.facts.length === 2);
  assert.equal(operator.greetings[1]?.welcome.resumed, true);
});

Deno.test("runAgent() re-sends statuses that a link lost", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using agent = new RunningAgent(operator.endpoint);
  await operator.connected();
  await operator.request(Method.APPLY_POD, encodeMessage(PodSpecSchema, POD));
  await operator.until(
    "running",
    () =>
      operator.statuses.get("u1")?.containers[0]?.state?.state.case ===
        "running",
  );
  operator.decide = () => ({ redirect: { endpoint: "127.0.0.1:1" } });
  operator.cut();
  agent.engine.exitContainer("app-0", 3);
  await operator.until(
    "restarted",
    () => agent.engine.calls.includes("start app-1"),
  );
  operator.decide = undefined;
  await operator.until(
    "reported",
    () => operator.statuses.get("u1")?.containers[0]?.restartCount === 1,
  );
});

Deno.test("runAgent() lets a second agent take over when the first ends", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using first = new RunningAgent(operator.endpoint);
  await operator.connected();
  await using second = new RunningAgent(operator.endpoint, {
    stateDir: first.config.stateDir,
    stateKeyFile: first.config.stateKeyFile,
  });
  await operator.until("waits", () =>
    second.book.lines.includes(
      "another agent of this device runs, waiting to take over",
    ));
  const startedMs = performance.now();
  await first.stop();
  await operator.until("taken over", () => operator.greetings.length === 2);
  assert.ok(performance.now() - startedMs < 5_000);
});

Deno.test("runAgent() says that the credential is wrong, and keeps trying", async () => {
  await using operator = await OperatorEnd.start({
    key: new Uint8Array(32).fill(9),
  });
  await using agent = new RunningAgent(operator.endpoint);
  await operator.until(
    "complaint",
    () =>
      agent.book.lines.some((line) =>
        /unknown device or wrong credential/.test(line)
      ),
  );
  operator.keys = { key: KEY };
  await operator.connected();
});

Deno.test("runAgent() follows a redirect", async () => {
  await using target = await OperatorEnd.start({ key: KEY });
  await using operator = await OperatorEnd.start({ key: KEY });
  operator.decide = () => ({ redirect: { endpoint: target.endpoint } });
  await using _agent = new RunningAgent(operator.endpoint);
  await target.connected();
});

Deno.test("runAgent() says why it can't begin", async () => {
  const file = await Deno.makeTempFile();
  await using agent = new RunningAgent("127.0.0.1:1");
  await agent.stop();
  const options = {
    configFile: "",
    version: "",
    runtime: agent.engine,
    streams: agent.engine,
    reader: {
      readFacts: () => Promise.resolve(agent.facts),
      readStats: () => Promise.reject(new Error()),
    },
    mounts: {
      mountTmpfs: () => Promise.resolve(),
      unmount: () => Promise.resolve(),
    },
    log: agent.book.log,
    signal: new AbortController().signal,
  };
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
  );
  await Deno.remove(file);
});

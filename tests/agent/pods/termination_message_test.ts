// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, utf8 } from "../../../lib/shared/base/mod.ts";
import type { RuntimeContainer } from "../../../lib/agent/runtime/mod.ts";
import { RestartPolicy } from "../../../lib/shared/wire/mod.ts";
import { readTerminationMessage } from "../../../lib/agent/pods/termination_message.ts";
import { podOf, PodsFixture } from "./_support/pods_fixture.ts";
import { createWorkerContext } from "./_support/worker_context.ts";

const toContainer = (exitCode: number) =>
  ({ id: "c0", name: "app", attempt: 0, exitCode }) as RuntimeContainer;

for (
  const [title, message, exitCode, fallbackToLogs, expected] of [
    ["the file", "own", 1, true, "own"],
    ["the end of the log", "", 1, true, "log"],
    ["nothing when the policy is File", "", 1, false, ""],
    ["nothing when the container succeeded", "", 0, true, ""],
  ] as const
) {
  Deno.test(`readTerminationMessage() returns ${title}`, async () => {
    const { context, engine } = createWorkerContext();
    context.volumes.readMessage = () => Promise.resolve(utf8(message));
    engine.log = "log";
    assert.equal(
      await readTerminationMessage(toContainer(exitCode), {
        context,
        podUid: "u1",
        fallbackToLogs,
      }),
      expected,
    );
  });
}

Deno.test("readTerminationMessage() returns at most 2048 bytes of at most 80 lines of the log", async () => {
  const { context, engine } = createWorkerContext();
  let tailLines: number | undefined;
  engine.logs = async function* (request) {
    tailLines = request.tailLines;
    yield utf8("a".repeat(3_000));
    yield utf8("end");
  };
  const message = await readTerminationMessage(toContainer(1), {
    context,
    podUid: "u1",
    fallbackToLogs: true,
  });
  assert.equal(message, `${"a".repeat(2_045)}end`);
  assert.equal(tailLines, 80);
});

Deno.test("readTerminationMessage() returns the end of the log when the file can't be read", async () => {
  const { context, engine } = createWorkerContext();
  context.volumes.readMessage = () => Promise.reject(new Error("disk fails"));
  engine.log = "log";
  const message = await readTerminationMessage(toContainer(1), {
    context,
    podUid: "u1",
    fallbackToLogs: true,
  });
  assert.equal(message, "log");
});

Deno.test("readTerminationMessage() returns what it has when the log can't be read", async () => {
  const { context, engine } = createWorkerContext();
  engine.logs = async function* () {
    yield utf8("begin");
    throw new AranyaError("unavailable", "Cannot read log: no answer");
  };
  const message = await readTerminationMessage(toContainer(1), {
    context,
    podUid: "u1",
    fallbackToLogs: true,
  });
  assert.equal(message, "begin");
});

Deno.test("the status has the message of the file, or the end of the log when the policy allows it", async () => {
  await using fixture = await PodsFixture.start();
  fixture.engine.log = "it went wrong";
  const container = (name: string, changes = {}) => ({
    name,
    image: "img",
    terminationMessagePath: "/dev/termination-log",
    ...changes,
  });
  await fixture.podWorkers.apply(podOf({
    restartPolicy: RestartPolicy.NEVER,
    containers: [
      container("a"),
      container("b", { terminationMessageFallbackToLogs: true }),
    ],
  }));
  await fixture.waitForStatus("a:running#0 ready b:running#0 ready");
  const bind = fixture.engine.requests.get("a-0")?.binds[0];
  assert.equal(bind?.target, "/dev/termination-log");
  await Deno.writeTextFile(bind.source, "my own words");
  fixture.engine.exitContainer("a-0", 1);
  fixture.engine.exitContainer("b-0", 1);
  await fixture.waitForStatus("a:terminated:1#0 b:terminated:1#0");
  const status = fixture.podWorkers.findStatus("u1");
  const messages = status?.containers.map(({ state }) =>
    state?.state.case === "terminated" ? state.state.value.message : ""
  );
  assert.deepEqual(messages, ["my own words", "it went wrong"]);
});

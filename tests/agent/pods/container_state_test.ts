// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { RestartPolicy } from "../../../lib/shared/wire/mod.ts";
import { DeviceFixture, podOf } from "./_support/device_fixture.ts";

Deno.test("a failed pull holds nothing else up and is tried again", async () => {
  await using device = await DeviceFixture.start();
  device.engine.failures.set(
    "pull bad",
    new AranyaError("not_found", "Cannot pull image: unknown"),
  );
  await device.podWorkers.apply(podOf({
    containers: [{ name: "a", image: "bad" }, { name: "b", image: "img" }],
  }));
  await device.shows("a:waiting:ErrImagePull#0 b:running#0 ready");
  device.pass(6_000);
  await device.shows("a:waiting:ImagePullBackOff#0");
  device.engine.failures.clear();
  device.pass(5_000);
  await device.shows("a:running#0 ready b:running#0 ready");
});

Deno.test("an unready container becomes ready by its probe, and a failed liveness probe ends it", async () => {
  await using device = await DeviceFixture.start();
  let [ready, alive] = [false, true];
  device.engine.exec = ({ command }) =>
    Promise.resolve({ code: (command[0] === "ready" ? ready : alive) ? 0 : 1 });
  const probe = (command: string) => ({
    handler: {
      action: { case: "exec" as const, value: { command: [command] } },
    },
    periodSeconds: 1,
    failureThreshold: 1,
    terminationGraceSeconds: 3n,
  });
  await device.podWorkers.apply(podOf({
    containers: [{
      name: "app",
      image: "img",
      readiness: probe("ready"),
      liveness: probe("alive"),
    }],
  }));
  await device.shows("app:running#0");
  assert.equal(device.say(), "app:running#0");
  ready = true;
  await device.shows("app:running#0 ready");
  alive = false;
  await device.called("stop app-0 3s");
  await device.called("start app-1");
});

Deno.test("the termination message is the file's, else the log's end when asked for", async () => {
  await using device = await DeviceFixture.start();
  device.engine.log = "it went wrong";
  const container = (name: string, more = {}) => ({
    name,
    image: "img",
    terminationMessagePath: "/dev/termination-log",
    ...more,
  });
  await device.podWorkers.apply(podOf({
    restartPolicy: RestartPolicy.NEVER,
    containers: [
      container("a"),
      container("b", { terminationMessageFallbackToLogs: true }),
    ],
  }));
  await device.shows("a:running#0 ready b:running#0 ready");
  const bind = device.engine.requests.get("a-0")?.binds[0];
  assert.equal(bind?.target, "/dev/termination-log");
  await Deno.writeTextFile(bind.source, "my own words");
  device.engine.end("a-0", 1);
  device.engine.end("b-0", 1);
  await device.shows("a:terminated:1#0 b:terminated:1#0");
  const messages = device.podWorkers.findStatus("u1")?.containers.map((
    { state },
  ) => state?.state.case === "terminated" ? state.state.value.message : "");
  assert.deepEqual(messages, ["my own words", "it went wrong"]);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { sha256Hex, SYSTEM_CLOCK, utf8 } from "../../../lib/shared/base/mod.ts";
import { until } from "../../../dev/base/wait.ts";
import { checkPodSwitches } from "../../../lib/shared/admission/mod.ts";
import {
  ALL_OFF,
  BASELINE_POD,
  HOST_PODS,
  toHostPodSpec,
  toRefusalMessage,
} from "../../_support/host_pods.ts";
import { podOf, PodsFixture, readDir } from "./_support/pods_fixture.ts";

Deno.test("createPodWorkers() keeps pods running when the agent was restarted", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  const before = fixture.podWorkers.findStatus("u1");
  const calls = fixture.engine.calls.length;
  await fixture.stopAgent();
  await fixture.startAgent();
  const [after] = await fixture.podWorkers.list();
  assert.equal(after?.containers[0]?.containerId, "docker://app-0");
  assert.deepEqual(after?.containers, before?.containers);
  assert.equal(fixture.engine.calls.length, calls);
  assert.ok((after?.version ?? 0n) > (before?.version ?? 0n));
});

for (const isReady of [true, false]) {
  Deno.test(`createPodWorkers() reports a container ${isReady ? "" : "not "}ready as it is, without a detour, after a restart`, async () => {
    await using fixture = await PodsFixture.start();
    let probe = () => Promise.resolve({ code: isReady ? 0 : 1 });
    fixture.engine.exec = () => probe();
    await fixture.podWorkers.apply(podOf({
      containers: [{
        name: "app",
        image: "img",
        readiness: {
          handler: { action: { case: "exec", value: { command: ["check"] } } },
          timeoutSeconds: 3_600,
        },
      }],
    }));
    await fixture.waitForStatus(`app:running#0${isReady ? " ready" : ""}`);
    await fixture.stopAgent();
    fixture.statuses.length = 0;
    const probed = Promise.withResolvers<void>();
    probe = async () => {
      await probed.promise;
      return { code: isReady ? 0 : 1 };
    };
    // After 3 s the container would be reported as not ready: a busy machine may need them.
    const nowMs = Math.trunc(fixture.clock.monotonicMs());
    fixture.clock.monotonicMs = () => nowMs;
    const pending = fixture.holdSleeps(3_000);
    await fixture.startAgent();
    const listed = fixture.podWorkers.list();
    // Meanwhile the container can be found, e.g. by kubectl exec.
    await fixture.waitForStatus("app:running#0");
    assert.equal(fixture.statuses.length, 0);
    probed.resolve();
    const [status] = await listed;
    pending.release();
    assert.equal(status?.containers[0]?.ready, isReady);
    assert.deepEqual(
      fixture.statuses.map(({ containers }) => containers[0]?.ready),
      [isReady],
    );
  });
}

Deno.test("createPodWorkers() goes on when the disk is full", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.stopAgent();
  const before = fixture.statuses.at(-1)?.version ?? 0n;
  fixture.isDiskFull = true;
  await fixture.startAgent();
  await fixture.waitForStatus("app:running#0 ready");
  const first = fixture.statuses.at(-1)?.version ?? 0n;
  assert.ok(first > before);
  await fixture.stopAgent();
  fixture.aheadMs += 5_000;
  await fixture.startAgent();
  await fixture.waitForStatus("app:running#0 ready");
  assert.ok((fixture.statuses.at(-1)?.version ?? 0n) > first);
});

Deno.test("createPodWorkers() starts pods in a new sandbox when the device boots without a link", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.stopAgent();
  fixture.online = false;
  fixture.engine.exitContainer("app-0", 137);
  const pod = fixture.engine.pods.get("u1");
  assert.ok(pod?.sandbox);
  pod.sandbox.running = false;
  await fixture.startAgent();
  await fixture.waitForCall("start app-1");
  await fixture.waitForStatus("app:running#1 ready");
});

Deno.test("remove() stops liveness probes", async () => {
  await using fixture = await PodsFixture.start();
  let isAlive = true;
  fixture.engine.exec = () => Promise.resolve({ code: isAlive ? 0 : 1 });
  await fixture.podWorkers.apply(podOf({
    containers: [{
      name: "app",
      image: "img",
      liveness: {
        handler: { action: { case: "exec", value: { command: ["check"] } } },
        periodSeconds: 1,
        failureThreshold: 1,
      },
    }],
  }));
  await fixture.waitForStatus("app:running#0 ready");
  const stopped = Promise.withResolvers<void>();
  fixture.engine.gates.set("stop app-0", stopped.promise);
  const period = fixture.holdSleeps(1_000);
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  await fixture.waitForStop("app-0", { graceSeconds: 30 });
  isAlive = false;
  period.release();
  // Time for a probe that still runs.
  for (let turn = 0; turn < 20; turn++) await SYSTEM_CLOCK.sleep(0);
  stopped.resolve();
  await fixture.waitForStatus("pod:terminated");
  assert.ok(!fixture.events.some(({ reason }) => reason === "Unhealthy"));
});

Deno.test('remove() throws "not_found" when the device does not have the pod', async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.list();
  await assert.rejects(
    fixture.podWorkers.remove({ uid: "u1", graceSeconds: 30 }),
    {
      code: "not_found",
    },
  );
  assert.equal(fixture.podWorkers.findStatus("u1"), undefined);
});

Deno.test("createPodWorkers() leaves the containers of a damaged record alone until apply()", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.stopAgent();
  await Deno.writeFile(`${fixture.dir}/pods/u1`, utf8("torn"));
  const calls = fixture.engine.calls.length;
  await fixture.startAgent();
  const [orphan] = await fixture.podWorkers.list();
  assert.equal(orphan?.specHash, "");
  assert.equal(orphan?.containers[0]?.state?.state.case, "running");
  await fixture.podWorkers.apply(podOf());
  await fixture.waitUntil(
    "the spec is not applied",
    () => fixture.podWorkers.findStatus("u1")?.specHash === "h1",
  );
  await fixture.waitForStatus("app:running#0 ready");
  assert.equal(fixture.engine.calls.length, calls);
});

Deno.test("apply() updates the files of a running container, and their content is kept on disk", async () => {
  await using fixture = await PodsFixture.start();
  const specOf = async (text: string) => {
    const sha256 = await sha256Hex(utf8(text));
    fixture.blobs.set(sha256, utf8(text));
    return podOf({
      specHash: text,
      volumes: [{
        name: "conf",
        source: {
          case: "files",
          value: { files: [{ path: "a", sha256, mode: 0o644 }] },
        },
      }],
    });
  };
  await fixture.podWorkers.apply(await specOf("one"));
  await fixture.waitForStatus("app:running#0 ready");
  const path = `${fixture.dir}/volumes/u1/volumes/conf/a`;
  assert.equal(await Deno.readTextFile(path), "one");
  await fixture.podWorkers.apply(await specOf("two"));
  await fixture.waitUntil(
    "the file is not changed",
    () => Deno.readTextFileSync(path) === "two",
  );
  assert.equal(
    fixture.engine.calls.filter((call) => call.startsWith("start")).length,
    1,
  );
  assert.equal(
    (await Array.fromAsync(readDir(`${fixture.dir}/blobs`))).length,
    1,
  );
  await fixture.stopAgent();
  fixture.online = false;
  await Deno.remove(`${fixture.dir}/volumes`, { recursive: true });
  await fixture.startAgent();
  await fixture.waitUntil("the file is not restored", () => {
    try {
      return Deno.readTextFileSync(path) === "two";
    } catch {
      return false;
    }
  });
});

Deno.test("list() names the tokens that the device holds, also after a restart; reports do not", async () => {
  await using fixture = await PodsFixture.start();
  const sha256 = await sha256Hex(utf8("jwt"));
  const token = { expirationSeconds: 3600n, renewUnixMs: 7n };
  fixture.online = false;
  await fixture.podWorkers.apply(podOf({
    volumes: [{
      name: "v",
      source: {
        case: "files",
        value: { files: [{ path: "token", sha256, token }] },
      },
    }],
  }));
  const list = async () => (await fixture.podWorkers.list())[0]?.tokenFiles;
  assert.deepEqual(await list(), []);
  fixture.blobs.set(sha256, utf8("jwt"));
  fixture.online = true;
  fixture.podWorkers.retryFailures();
  await fixture.waitForStatus("app:running#0 ready");
  for (let start = 0; start < 2; start++) {
    const [file] = await list() ?? [];
    assert.equal(file?.sha256, sha256);
    assert.equal(file?.token?.renewUnixMs, 7n);
    assert.deepEqual(fixture.podWorkers.findStatus("u1")?.tokenFiles, []);
    await fixture.stopAgent();
    await fixture.startAgent();
  }
});

Deno.test("a container restarts with the files it has when their ConfigMap was deleted", async () => {
  await using fixture = await PodsFixture.start();
  const sha256 = await sha256Hex(utf8("one"));
  fixture.blobs.set(sha256, utf8("one"));
  const files = [{ path: "a", sha256, mode: 0o644 }];
  await fixture.podWorkers.apply(podOf({
    volumes: [{ name: "conf", source: { case: "files", value: { files } } }],
  }));
  await fixture.waitForStatus("app:running#0 ready");
  const blocked = { reason: "FailedMount", message: "configmap not found" };
  await fixture.podWorkers.apply(podOf({
    specHash: "h2",
    volumes: [{ name: "conf", blocked }],
  }));
  fixture.engine.exitContainer("app-0", 1);
  await fixture.waitForStatus("app:running#1 ready");
  const path = `${fixture.dir}/volumes/u1/volumes/conf/a`;
  assert.equal(await Deno.readTextFile(path), "one");
  // A pod that never had the files waits.
  await fixture.podWorkers.apply(podOf({
    uid: "u2",
    name: "other",
    volumes: [{ name: "conf", blocked }],
  }));
  await fixture.waitUntil("no message", () => {
    const state = fixture.podWorkers.findStatus("u2")?.containers[0]?.state;
    return state?.state.case === "waiting" &&
      state.state.value.message === "configmap not found";
  });
});

Deno.test("retryFailures() sets up volumes whose content could not be fetched", async () => {
  await using fixture = await PodsFixture.start();
  fixture.online = false;
  const sha256 = await sha256Hex(utf8("x"));
  fixture.blobs.set(sha256, utf8("x"));
  await fixture.podWorkers.apply(podOf({
    volumes: [{
      name: "conf",
      source: { case: "files", value: { files: [{ path: "a", sha256 }] } },
    }],
  }));
  await fixture.waitUntil(
    "no Event",
    () => fixture.events.some(({ reason }) => reason === "FailedMount"),
  );
  assert.match(fixture.describe(), /app:waiting:ContainerCreating/);
  fixture.online = true;
  fixture.podWorkers.retryFailures();
  await fixture.waitForStatus("app:running#0 ready");
});

Deno.test("apply() keeps the order of pods of the same name when the wall clock was set back", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  const { wallMs } = fixture.clock;
  fixture.clock.wallMs = () => 7_000;
  await fixture.podWorkers.apply(podOf({ uid: "u2" }));
  await fixture.waitForStatus("app:waiting:ContainerCreating#0", "u2");
  fixture.clock.wallMs = wallMs;
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  await fixture.waitForStatus("app:running#0 ready", "u2");
  const calls = fixture.engine.calls.filter((call) => !call.includes("start"));
  assert.deepEqual(
    calls.map((call) => call.replace(/ \d+s$/, "")),
    ["sandbox u1", "stop app-0", "sandbox u2"],
  );
});

Deno.test("apply() waits when an older pod of the same name has not terminated", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  const stopped = Promise.withResolvers<void>();
  fixture.engine.gates.set("stop app-0", stopped.promise);
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  await fixture.podWorkers.apply(podOf({ uid: "u2" }));
  await fixture.waitForStop("app-0", { graceSeconds: 30 });
  await fixture.waitForStatus("app:waiting:ContainerCreating#0", "u2");
  assert.ok(!fixture.engine.calls.includes("sandbox u2"));
  stopped.resolve();
  await fixture.waitForCall("sandbox u2");
});

Deno.test("remove() reports the final status again when the pod is terminated", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  await fixture.waitForStatus("pod:terminated");
  const count = fixture.statuses.length;
  const version = fixture.statuses.at(-1)?.version ?? 0n;
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  assert.equal(fixture.statuses.length, count + 1);
  assert.equal(fixture.statuses.at(-1)?.terminated, true);
  assert.equal(fixture.statuses.at(-1)?.version, version + 1n);
});

Deno.test("createPodWorkers() removes the volumes of pods that have neither record nor containers", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.stopAgent();
  await Deno.mkdir(`${fixture.dir}/volumes/u9/volumes`, { recursive: true });
  await fixture.startAgent();
  await fixture.podWorkers.list();
  assert.deepEqual(
    await Array.fromAsync(readDir(`${fixture.dir}/volumes`)),
    [],
  );
});

Deno.test("createPodWorkers() keeps all volumes when a record is damaged", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.stopAgent();
  await Deno.writeFile(`${fixture.dir}/pods/u1`, utf8("torn"));
  await Deno.mkdir(`${fixture.dir}/volumes/u9/volumes`, { recursive: true });
  await fixture.startAgent();
  await fixture.podWorkers.list();
  const names = await Array.fromAsync(
    readDir(`${fixture.dir}/volumes`),
    ({ name }) => name,
  );
  assert.ok(names.includes("u9"));
});

Deno.test("apply() refuses a pod that needs what the device's owner has turned off", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.stopAgent();
  fixture.switches.hostNamespaces = false;
  await fixture.startAgent();
  await assert.rejects(
    fixture.podWorkers.apply(podOf({ hostNetwork: true })),
    { code: "forbidden", message: /\(pods\.hostNamespaces: false in agent/ },
  );
  assert.deepEqual(await fixture.podWorkers.list(), []);
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
});

Deno.test("createPodWorkers() ends a pod that needs what was turned off since, as a kubelet that starts", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf({ hostNetwork: true }));
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.stopAgent();
  fixture.switches.hostNamespaces = false;
  await fixture.startAgent();
  const status = await until(() =>
    fixture.statuses.findLast(({ containers: [app] }) =>
      app?.state?.state.case === "terminated"
    )
  );
  const message =
    `Cannot run pod "ns/web": it has hostNetwork, turned off by the device's owner (pods.hostNamespaces: false in agent.yaml)`;
  assert.equal(status.failureReason, "ForbiddenByDevice");
  assert.equal(status.failureMessage, message);
  assert.deepEqual(
    fixture.events.filter(({ reason }) => reason === "ForbiddenByDevice")
      .map((event) => event.message),
    [message],
  );
  assert.ok(!fixture.engine.calls.includes("start app-1"));
});

Deno.test("createPodWorkers() keeps a pod running that needs nothing that was turned off", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.stopAgent();
  Object.assign(fixture.switches, ALL_OFF);
  await fixture.startAgent();
  await fixture.waitForStatus("app:running#0 ready");
  assert.deepEqual(
    fixture.events.filter(({ reason }) => reason === "ForbiddenByDevice"),
    [],
  );
});

for (const { name, spec, needs } of HOST_PODS) {
  Deno.test(`apply() refuses the pod "${name}" with the switches off, before anything of it is stored`, async () => {
    await using fixture = await PodsFixture.start();
    await fixture.stopAgent();
    Object.assign(fixture.switches, ALL_OFF);
    await fixture.startAgent();
    const command = toHostPodSpec(spec);
    await assert.rejects(fixture.podWorkers.apply(command), {
      code: "forbidden",
      message: toRefusalMessage("ns/web", needs),
    });
    assert.deepEqual(await fixture.podWorkers.list(), []);
    // What the pod needs is all that keeps it from being accepted.
    const allowed = Object.fromEntries(needs.map(({ key }) => [key, true]));
    checkPodSwitches(command, { ...ALL_OFF, ...allowed });
  });
}

Deno.test("apply() accepts a pod of the baseline policy with all switches off", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.stopAgent();
  Object.assign(fixture.switches, ALL_OFF);
  await fixture.startAgent();
  await fixture.podWorkers.apply(toHostPodSpec(BASELINE_POD));
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.podWorkers.purge("u1");
  await until(async () => (await fixture.podWorkers.list()).length === 0);
});

Deno.test("apply() refuses names that lead out of the pod's directories", async () => {
  await using fixture = await PodsFixture.start();
  await assert.rejects(
    fixture.podWorkers.apply(podOf({
      volumes: [{
        name: "../../../../../../etc",
        source: { case: "emptyDir", value: {} },
      }],
    })),
    { code: "invalid", message: /name of a volume/ },
  );
  assert.deepEqual(await fixture.podWorkers.list(), []);
});

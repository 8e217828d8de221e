// SPDX-License-Identifier: Apache-2.0
/** Pods on a real Docker engine: what the fake engine of the other tests can't prove. */
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../lib/shared/base/mod.ts";
import { DockerHttpClient } from "../../lib/agent/docker/mod.ts";
import { DockerRuntime } from "../../lib/agent/runtime/mod.ts";
import { RestartPolicy } from "../../lib/shared/wire/mod.ts";
import { until } from "../../dev/base/wait.ts";
import { Dockerd, IMAGES } from "../../dev/world/mod.ts";
import { podOf, PodsFixture } from "../agent/pods/_support/pods_fixture.ts";

/** An agent on an engine of its own. */
class EngineFixture implements AsyncDisposable {
  readonly #closes: AsyncDisposableStack;
  readonly engine: Dockerd;
  readonly pods: PodsFixture;

  private constructor(
    closes: AsyncDisposableStack,
    parts: { engine: Dockerd; pods: PodsFixture },
  ) {
    this.#closes = closes;
    this.engine = parts.engine;
    this.pods = parts.pods;
  }

  static async start(): Promise<EngineFixture> {
    await using closes = new AsyncDisposableStack();
    const engine = closes.use(await Dockerd.start());
    const client = closes.use(
      new DockerHttpClient({ host: `unix://${engine.socket}` }),
    );
    const runtime = new DockerRuntime({
      client,
      device: "dev",
      log: SILENT_LOGGER,
    });
    const pods = closes.use(await PodsFixture.start({ runtime }));
    return new EngineFixture(closes.move(), { engine, pods });
  }

  /** Returns the ids of the device's containers, running or not. */
  listContainers(): Promise<string> {
    return this.engine.run(["ps", "--all", "--quiet"]);
  }

  /** Removes a pod, and waits until nothing of it is left. */
  async purge(uid = "u1"): Promise<void> {
    const { podWorkers } = this.pods;
    await podWorkers.remove({ uid, graceSeconds: 0 });
    await this.pods.waitForStatus("pod:terminated", uid);
    await podWorkers.purge(uid);
    await until(() => podWorkers.findStatus(uid) === undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closes.disposeAsync();
  }
}

const sh = (script: string) => ["sh", "-c", script];
const exec = (script: string) => ({
  action: { case: "exec" as const, value: { command: sh(script) } },
});
const LOG_VOLUME = {
  name: "log",
  source: { case: "emptyDir" as const, value: {} },
};
/** A container that adds words to a file which all containers of the pod share. */
const logging = (name: string, script: string) => ({
  name,
  image: IMAGES.busybox,
  command: sh(script),
  mounts: [{ volume: "log", path: "/log" }],
});

Deno.test("pods on a real engine", async (test) => {
  await using fixture = await EngineFixture.start();
  const { engine, pods } = fixture;
  const readLog = async () =>
    (await Deno.readTextFile(`${pods.dir}/volumes/u1/volumes/log/words`))
      .trim().split("\n");

  await test.step("containers start in order: init containers, then the others, each after the hook of the one before", async () => {
    const add = (word: string) => `echo ${word} >> /log/words`;
    await pods.podWorkers.apply(podOf({
      volumes: [LOG_VOLUME],
      initContainers: [
        logging("i1", `sleep 0.3; ${add("i1")}`),
        logging("i2", add("i2")),
      ],
      containers: [
        {
          ...logging("a", "sleep 1000"),
          postStart: exec(`sleep 0.5; ${add("hook")}`),
        },
        logging("b", `${add("b")}; sleep 1000`),
      ],
    }));
    await pods.waitForStatus("a:running#0 ready b:running#0 ready");
    await until(async () => (await readLog()).includes("b"));
    assert.deepEqual(await readLog(), ["i1", "i2", "hook", "b"]);
    await fixture.purge();
    assert.equal(await fixture.listContainers(), "");
  });

  await test.step("a container that fails is started again with growing delays", async () => {
    await pods.podWorkers.apply(podOf({
      containers: [{
        name: "app",
        image: IMAGES.busybox,
        command: sh("echo why > /dev/termination-log; exit 3"),
        terminationMessagePath: "/dev/termination-log",
      }],
    }));
    await pods.waitForStatus("app:waiting:CrashLoopBackOff#1");
    const [container] = pods.podWorkers.findStatus("u1")?.containers ?? [];
    const last = container?.lastTerminated?.state;
    assert.ok(last?.case === "terminated");
    assert.equal(last.value.exitCode, 3);
    assert.equal(last.value.message, "why\n");
    await fixture.purge();
  });

  await test.step("a container whose command does not exist is started again with growing delays", async () => {
    await pods.podWorkers.apply(podOf({
      containers: [{
        name: "app",
        image: IMAGES.busybox,
        command: ["absent-command"],
      }],
    }));
    await pods.waitForStatus("app:waiting:CrashLoopBackOff#1");
    await fixture.purge();
  });

  await test.step("a hostPath volume may be the root directory, which contains the engine's own", async () => {
    await pods.podWorkers.apply(podOf({
      restartPolicy: RestartPolicy.NEVER,
      volumes: [{
        name: "root",
        source: { case: "hostPath", value: { path: "/" } },
      }],
      containers: [{
        name: "app",
        image: IMAGES.busybox,
        command: ["test", "-e", "/host/etc/passwd"],
        mounts: [{ volume: "root", path: "/host", readOnly: true }],
      }],
    }));
    await pods.waitForStatus("app:terminated:0#0");
    await fixture.purge();
  });

  await test.step("a sandbox that the engine can't create is an Event FailedCreatePodSandBox, and is tried again", async () => {
    await pods.podWorkers.apply(podOf({
      sysctls: [{ name: "net.ipv4.no_such_setting", value: "1" }],
      containers: [{ name: "app", image: IMAGES.busybox }],
    }));
    const failures = () =>
      pods.events.filter(({ reason }) => reason === "FailedCreatePodSandBox");
    await until(() => failures().length >= 2, { timeoutMs: 60_000 });
    assert.match(failures()[0]?.message ?? "", /no_such_setting/);
    assert.equal(failures()[0]?.warning, true);
    await fixture.purge();
  });

  await test.step("removal runs preStop, then the stop signal within the grace period, and leaves nothing", async () => {
    await pods.podWorkers.apply(podOf({
      volumes: [LOG_VOLUME],
      containers: [{
        ...logging(
          "app",
          "trap 'echo term >> /log/words; exit 5' TERM; while :; do sleep 0.05; done",
        ),
        preStop: exec("sleep 0.3; echo hook >> /log/words"),
      }],
    }));
    await pods.waitForStatus("app:running#0 ready");
    await pods.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
    await pods.waitForStatus("app:terminated:5#0 pod:terminated");
    assert.deepEqual(await readLog(), ["hook", "term"]);
    await pods.podWorkers.purge("u1");
    await until(() => pods.podWorkers.findStatus("u1") === undefined);
    assert.equal(await fixture.listContainers(), "");
    assert.doesNotMatch(await engine.run(["network", "ls"]), /aranya/);
    await assert.rejects(
      Deno.stat(`${pods.dir}/volumes/u1`),
      Deno.errors.NotFound,
    );
  });

  await test.step("a pod that has finished keeps its log and frees its address", async () => {
    await pods.podWorkers.apply(podOf({
      restartPolicy: RestartPolicy.NEVER,
      containers: [{
        name: "app",
        image: IMAGES.busybox,
        command: ["echo", "hello"],
      }],
    }));
    await pods.waitForStatus("app:terminated:0#0");
    await until(async () =>
      !/aranya/.test(await engine.run(["network", "ls"]))
    );
    const id = await fixture.listContainers();
    assert.equal(await engine.run(["logs", id]), "hello");
    await fixture.purge();
  });

  await test.step("pods that are removed while they start leave nothing", async () => {
    const uids = Array.from({ length: 6 }, (_, index) => `u-${index}`);
    for (const uid of uids) {
      await pods.podWorkers.apply(podOf({
        uid,
        name: uid,
        containers: [{
          name: "app",
          image: IMAGES.busybox,
          command: ["sleep", "1000"],
        }],
      }));
    }
    await until(async () => await fixture.listContainers() !== "");
    await Promise.all(uids.map((uid) => fixture.purge(uid)));
    assert.equal(await fixture.listContainers(), "");
  });

  await test.step("a pod runs again after a power cut", async () => {
    await pods.podWorkers.apply(podOf({
      volumes: [LOG_VOLUME],
      containers: [logging("app", "echo run >> /log/words; sleep 1000")],
    }));
    await pods.waitForStatus("app:running#0 ready");
    await pods.stopAgent();
    const ids = (await engine.run(["ps", "--quiet"])).split("\n");
    assert.equal(ids.length, 2);
    await engine.run(["kill", ...ids]);
    await engine.restart();
    assert.equal(await engine.run(["ps", "--quiet"]), "");
    await pods.startAgent();
    await pods.waitForStatus("app:running#1 ready");
    await until(async () => (await readLog()).length === 2);
    await fixture.purge();
    assert.equal(await fixture.listContainers(), "");
  });
});

// SPDX-License-Identifier: Apache-2.0
/**
 * One table for the fake engine that the tests of pods run on, and for a real one: what the fake
 * does is what Docker does.
 */
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../lib/shared/base/mod.ts";
import { DockerHttpClient } from "../../lib/agent/docker/mod.ts";
import {
  type ContainerRequest,
  type ContainerRuntime,
  DockerRuntime,
  isEngineUnreachable,
} from "../../lib/agent/runtime/mod.ts";
import { until } from "../../dev/base/wait.ts";
import { Dockerd, IMAGES } from "../../dev/world/mod.ts";
import { FakeEngine } from "../agent/pods/_support/fake_engine.ts";
import {
  containerRequest,
  POD_UID,
  sandboxRequest,
} from "../agent/runtime/_support/requests.ts";

/** An engine, and how a test brings about what only the engine or a container can do. */
interface EngineUnderTest extends AsyncDisposable {
  readonly runtime: ContainerRuntime;
  /** Name of an image that it has. */
  readonly image: string;
  /** Makes a container exit with this code. */
  exit(id: string, exitCode: number): Promise<void>;
  /** Resolves when the command of a container obeys SIGTERM. */
  waitForTrap(id: string): Promise<void>;
  /** Makes starts of this container fail because its command does not exist. */
  removeCommand(name: string): void;
  stopEngine(): Promise<void>;
  startEngine(): Promise<void>;
}

function startFakeEngine(): Promise<EngineUnderTest> {
  const runtime = new FakeEngine(SYSTEM_CLOCK);
  return Promise.resolve({
    runtime,
    image: "img",
    exit(id, exitCode) {
      runtime.exitContainer(id, exitCode);
      return Promise.resolve();
    },
    waitForTrap: () => Promise.resolve(),
    removeCommand: (name) => void runtime.absentCommands.add(name),
    stopEngine() {
      runtime.unavailable = true;
      return Promise.resolve();
    },
    startEngine() {
      runtime.unavailable = false;
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

async function startDocker(): Promise<EngineUnderTest> {
  const engine = await Dockerd.start();
  const client = new DockerHttpClient({ host: `unix://${engine.socket}` });
  const runtime = new DockerRuntime({
    client,
    device: "dev",
    log: SILENT_LOGGER,
  });
  return {
    runtime,
    image: IMAGES.busybox,
    async exit(id, exitCode) {
      await engine.run(["exec", id, "sh", "-c", `echo ${exitCode} > /exit`]);
    },
    async waitForTrap(id) {
      const isReady = async () =>
        (await engine.run(["logs", id])).includes("ready");
      await until(isReady, "a command that is ready");
    },
    // Its request names a command that no image has.
    removeCommand() {},
    stopEngine: () => engine.stop(),
    startEngine: () => engine.restart(),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
}

/** Runs until there is a file /exit with its exit code, or until SIGTERM. */
const COMMAND = [
  "sh",
  "-c",
  "trap 'exit 143' TERM; echo ready; while [ ! -e /exit ]; do sleep 0.05; done; exit $(cat /exit)",
];

for (
  const [name, start] of [
    ["fake engine", startFakeEngine],
    ["Docker", startDocker],
  ] as const
) {
  Deno.test(`contract of the engine: ${name}`, async (test) => {
    await using engine = await start();
    const { runtime, image } = engine;
    const { signal } = new AbortController();
    const { imageId } = await runtime.ensureImage({
      image,
      policy: "if_not_present",
      credentials: [],
    }, signal);
    const request = (
      name: string,
      changes: Partial<ContainerRequest> = {},
    ) =>
      containerRequest({ name, image }, {
        imageId,
        command: COMMAND,
        ...changes,
      });
    const findPod = async () =>
      (await runtime.listPods()).find(({ uid }) => uid === POD_UID);
    const findInstance = async (id: string) =>
      (await findPod())?.containers.find((one) => one.id === id);
    const stateOf = async (id: string) => (await findInstance(id))?.state;

    await test.step("an engine without pods lists none", async () => {
      assert.deepEqual(await runtime.listPods(), []);
    });

    await test.step("startContainer() fails without a sandbox", async () => {
      await assert.rejects(runtime.startContainer(request("early"), signal), {
        code: "conflict",
      });
      assert.deepEqual(await runtime.listPods(), []);
    });

    await test.step("ensureSandbox() returns the addresses of a pod that is listed then, and keeps it", async () => {
      const { podIps } = await runtime.ensureSandbox(sandboxRequest(), signal);
      assert.equal(podIps.length, 1);
      const pod = await findPod();
      assert.deepEqual([pod?.namespace, pod?.name], ["default", "web"]);
      assert.equal(pod?.sandbox?.running, true);
      assert.deepEqual(pod.sandbox.podIps, podIps);
      await runtime.ensureSandbox(sandboxRequest(), signal);
      assert.equal((await findPod())?.sandbox?.id, pod.sandbox.id);
    });

    await test.step("startContainer() returns the id of an instance that runs, the same for the same attempt", async () => {
      const labels = { word: "kept" };
      const life = request("life", { labels, attempt: 2 });
      const id = await runtime.startContainer(life, signal);
      assert.equal(await runtime.startContainer(life, signal), id);
      const [instance, ...others] = (await findPod())?.containers ?? [];
      assert.deepEqual(others, []);
      assert.equal(instance?.id, id);
      assert.equal(instance.state, "running");
      assert.deepEqual([instance.name, instance.kind], ["life", "app"]);
      assert.deepEqual([instance.attempt, instance.image], [2, image]);
      assert.deepEqual(instance.labels, labels);
      assert.equal(instance.finishedUnixMs, 0);
      assert.ok(Math.abs(Date.now() - instance.startedUnixMs) < 60_000);
    });

    await test.step("watchPods() yields an empty UID first, then that of a pod in which something happened", async () => {
      const stop = new AbortController();
      const uids: string[] = [];
      for await (const uid of runtime.watchPods(stop.signal)) {
        uids.push(uid);
        if (uid !== "") break;
        const id = await runtime.startContainer(request("seen"), signal);
        await engine.exit(id, 0);
      }
      stop.abort();
      assert.deepEqual(uids, ["", POD_UID]);
    });

    await test.step("an instance that exits is listed with its code and its time", async () => {
      const id = await runtime.startContainer(request("short"), signal);
      await engine.exit(id, 3);
      await until(async () => await stateOf(id) === "exited");
      const instance = await findInstance(id);
      assert.equal(instance?.exitCode, 3);
      assert.ok(instance.finishedUnixMs >= instance.startedUnixMs);
      assert.equal(instance.error, "");
    });

    await test.step("an instance whose command does not exist is listed as exited with 128, and without a start", async () => {
      engine.removeCommand("absent");
      await assert.rejects(
        runtime.startContainer(
          request("absent", { command: ["/no/such/command"] }),
          signal,
        ),
        { code: "not_found" },
      );
      const instance = (await findPod())?.containers.find(({ name }) =>
        name === "absent"
      );
      assert.equal(instance?.state, "exited");
      assert.equal(instance.exitCode, 128);
      assert.equal(instance.startedUnixMs, 0);
      assert.ok(instance.finishedUnixMs > 0);
      assert.notEqual(instance.error, "");
    });

    await test.step("startContainer() begins nothing when it is aborted before", async () => {
      const controller = new AbortController();
      controller.abort(new Error("enough"));
      await assert.rejects(
        runtime.startContainer(request("never"), controller.signal),
        /enough/,
      );
      const names = (await findPod())?.containers.map(({ name }) => name);
      assert.ok(!names?.includes("never"));
    });

    await test.step("stopContainer() resolves when the container has exited, also one that has before", async () => {
      const id = await runtime.startContainer(request("stopped"), signal);
      // SIGTERM has no effect before.
      await engine.waitForTrap(id);
      const options = { graceMs: 20_000, signal };
      await runtime.stopContainer(id, options);
      assert.equal((await findInstance(id))?.exitCode, 143);
      await runtime.stopContainer(id, options);
      await runtime.stopContainer("0".repeat(64), options);
    });

    await test.step("removeContainer() may be repeated", async () => {
      const id = await runtime.startContainer(request("removed"), signal);
      await engine.waitForTrap(id);
      await runtime.stopContainer(id, { graceMs: 20_000, signal });
      await runtime.removeContainer(id);
      await runtime.removeContainer(id);
      assert.equal(await findInstance(id), undefined);
    });

    await test.step("newer attempts of a name are listed first", async () => {
      for (const attempt of [0, 1]) {
        await runtime.startContainer(request("again", { attempt }), signal);
      }
      const attempts = (await findPod())?.containers.filter(({ name }) =>
        name === "again"
      ).map(({ attempt }) => attempt);
      assert.deepEqual(attempts, [1, 0]);
    });

    await test.step('an engine that is away is "unavailable", and is known as the one who is', async () => {
      await engine.stopEngine();
      const failures = await Promise.allSettled([
        runtime.listPods(),
        runtime.ensureSandbox(sandboxRequest(), signal),
        runtime.startContainer(request("away"), signal),
        runtime.removeContainer("x"),
        runtime.stopSandbox(POD_UID),
        runtime.removeSandbox(POD_UID),
        runtime.ensureImage(
          { image, policy: "if_not_present", credentials: [] },
          signal,
        ),
      ]);
      for (const failure of failures) {
        assert.equal(failure.status, "rejected");
        assert.equal(failure.reason.code, "unavailable");
        assert.ok(isEngineUnreachable(failure.reason));
      }
      await engine.startEngine();
      assert.ok(await findPod());
    });

    await test.step("stopSandbox() removes the sandbox, and keeps containers that have exited", async () => {
      const uid = "22222222-2222-4333-8444-555555555555";
      await runtime.ensureSandbox(sandboxRequest({ podUid: uid }), signal);
      const id = await runtime.startContainer(
        request("kept", { podUid: uid }),
        signal,
      );
      await engine.waitForTrap(id);
      await runtime.stopContainer(id, { graceMs: 20_000, signal });
      await runtime.stopSandbox(uid);
      await runtime.stopSandbox(uid);
      const pod = (await runtime.listPods()).find((one) => one.uid === uid);
      assert.equal(pod?.sandbox, undefined);
      assert.deepEqual(pod?.containers.map(({ id }) => id), [id]);
      await runtime.removeSandbox(uid);
    });

    await test.step("removeSandbox() leaves nothing of the pod, and may be repeated", async () => {
      await runtime.removeSandbox(POD_UID);
      await runtime.removeSandbox(POD_UID);
      assert.deepEqual(await runtime.listPods(), []);
    });
  });
}

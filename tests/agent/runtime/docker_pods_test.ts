// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  type DockerCall,
  type DockerClient,
  DockerHttpClient,
  inspectImage,
} from "../../../lib/agent/docker/mod.ts";
import {
  DockerPods,
  refineStartError,
} from "../../../lib/agent/runtime/docker_pods.ts";
import type { ContainerRequest } from "../../../lib/agent/runtime/mod.ts";
import { Dockerd, IMAGES } from "../../../dev/world/mod.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { RecordedLog } from "../_support/recorded_log.ts";
import { FakeDockerClient } from "./_support/fake_docker_client.ts";
import {
  containerRequest,
  POD_UID,
  sandboxRequest,
} from "./_support/requests.ts";

const { signal } = new AbortController();

Deno.test("DockerPods on a real engine", async (test) => {
  await using engine = await Dockerd.start();
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const options = { client, device: "dev", log: SILENT_LOGGER };
  const pods = new DockerPods(options);
  const { Id: imageId } = await inspectImage(client, IMAGES.busybox);
  const request = (
    name: string,
    command: string[],
    changes: Partial<ContainerRequest> = {},
  ) =>
    containerRequest({ name, image: IMAGES.busybox }, {
      imageId,
      command,
      ...changes,
    });
  const containers = async () => (await pods.listPods())[0]?.containers ?? [];
  const networks = () => engine.run(["network", "ls", "--format", "{{.Name}}"]);

  await test.step('watchPods() yields "" first', async () => {
    const stop = new AbortController();
    for await (const uid of pods.watchPods(stop.signal)) {
      assert.equal(uid, "");
      break;
    }
    stop.abort();
  });

  await test.step("ensureSandbox() returns an address of the pod range, the same each time", async () => {
    const first = await pods.ensureSandbox(sandboxRequest(), signal);
    assert.match(first.podIps[0] ?? "", /^10\.200\.7\.\d+$/);
    assert.deepEqual(await pods.ensureSandbox(sandboxRequest(), signal), first);
    assert.match(await networks(), /^aranya-dev$/m);
  });

  await test.step("startContainer() starts one container per attempt", async () => {
    const life = request("life", ["sleep", "1000"]);
    const id = await pods.startContainer(life, signal);
    assert.equal(await pods.startContainer(life, signal), id);
    const [found] = await containers();
    assert.equal(found?.state, "running");
    assert.equal(found?.image, IMAGES.busybox);
    assert.ok(Math.abs(Date.now() - (found?.startedUnixMs ?? 0)) < 60_000);
  });

  await test.step("listPods() returns the same pods after a restart of the agent", async () => {
    const again = new DockerPods(options);
    assert.deepEqual(await again.listPods(), await pods.listPods());
    const other = new DockerPods({ ...options, device: "other" });
    assert.deepEqual(await other.listPods(), []);
  });

  await test.step("watchPods() yields the UID of a pod whose container started", async () => {
    const stop = new AbortController();
    const yielded: string[] = [];
    for await (const uid of pods.watchPods(stop.signal)) {
      yielded.push(uid);
      if (uid !== "") break;
      await pods.startContainer(request("short", ["true"]), signal);
    }
    stop.abort();
    assert.deepEqual(yielded, ["", POD_UID]);
  });

  await test.step("startContainer() keeps a container that could not be started for listPods()", async () => {
    const absent = request("absent", ["absent-command"]);
    await assert.rejects(pods.startContainer(absent, signal), {
      code: "not_found",
      message:
        /^Cannot start container "absent" of pod "default\/web": .*not found/,
    });
    const left = (await containers()).find(({ name }) => name === "absent");
    assert.equal(left?.state, "exited");
    assert.equal(left?.exitCode, 128);
    assert.match(left?.error ?? "", /absent-command/);
  });

  await test.step("startContainer() fails without the image or the infra container", async () => {
    await assert.rejects(
      pods.startContainer(
        request("noimage", [], { imageId: "absent:1" }),
        signal,
      ),
      { code: "not_found" },
    );
    await assert.rejects(
      pods.startContainer(
        request("nopod", [], { podUid: "other" }),
        signal,
      ),
      { code: "conflict", message: /the infra container is not running/ },
    );
  });

  /** Pods on a client that calls `observe` after each answer. */
  const observed = (observe: (call: DockerCall) => void | Promise<void>) => {
    const observedClient: DockerClient = {
      host: client.host,
      async request<T>(call: DockerCall) {
        try {
          return await client.request<T>(call);
        } finally {
          await observe(call);
        }
      },
      stream: (call) => client.stream(call),
      hijack: (call) => client.hijack(call),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    return new DockerPods({ ...options, client: observedClient });
  };

  await test.step("startContainer() removes what it created when it is aborted before the start", async () => {
    const controller = new AbortController();
    const aborted = observed(({ path }) => {
      if (path === "/containers/create") controller.abort(new Error("enough"));
    });
    await assert.rejects(
      aborted.startContainer(
        request("aborted", ["sleep", "1000"]),
        controller.signal,
      ),
      /enough/,
    );
    const left = (await containers()).filter(({ name }) => name === "aborted");
    assert.deepEqual(left, []);
  });

  await test.step("startContainer() returns after the engine when it is aborted during the start", async () => {
    const controller = new AbortController();
    const aborted = observed(({ path }) => {
      if (path.endsWith("/start")) controller.abort(new Error("enough"));
    });
    const late = request("late", ["sleep", "1000"]);
    const id = await aborted.startContainer(late, controller.signal);
    const found = (await containers()).find((one) => one.id === id);
    assert.equal(found?.state, "running");
  });

  await test.step("ensureSandbox() creates nothing when it is aborted in the queue", async () => {
    const controller = new AbortController();
    const queued = Promise.withResolvers<void>();
    const both = observed(async ({ path }) => {
      if (path.endsWith("_second/json")) queued.resolve();
      if (!path.startsWith("/networks/")) return;
      await queued.promise;
      controller.abort(new Error("enough"));
    });
    const [first, second] = await Promise.allSettled([
      both.ensureSandbox(sandboxRequest({ podUid: "first" }), signal),
      both.ensureSandbox(
        sandboxRequest({ podUid: "second" }),
        controller.signal,
      ),
    ]);
    assert.deepEqual([first.status, second.status], ["fulfilled", "rejected"]);
    const uids = (await pods.listPods()).map(({ uid }) => uid);
    assert.deepEqual(uids.filter((uid) => uid !== POD_UID), ["first"]);
    await pods.removeSandbox("first");
  });

  await test.step("startContainer() starts a container with the hostname and addresses of its pod", async () => {
    const check = request("check", ["sh", "-c", "hostname; cat /etc/hosts"]);
    const id = await pods.startContainer(check, signal);
    await engine.run(["wait", id]);
    const text = await engine.run(["logs", id]);
    const ip = (await pods.listPods())[0]?.sandbox?.podIps[0];
    assert.match(text, /^web\n/);
    assert.ok(text.includes(`${ip}\tweb`));
  });

  await test.step("listPods() returns oomKilled for a container that exceeded its memory limit", async () => {
    const hungry = request("hungry", [
      "sh",
      "-c",
      "a=x; while :; do a=$a$a; done",
    ]);
    hungry.container.resources = {
      $typeName: "aranya.v1.Resources",
      cpuLimitMillis: 0n,
      cpuRequestMillis: 0n,
      memoryLimitBytes: 8n * 1024n * 1024n,
      memoryRequestBytes: 0n,
      storageLimitBytes: 0n,
      storageRequestBytes: 0n,
    };
    const id = await pods.startContainer(hungry, signal);
    await engine.run(["wait", id]);
    const found = (await containers()).find((one) => one.id === id);
    assert.equal(found?.oomKilled, true);
    assert.equal(found?.exitCode, 137);
  });

  await test.step("removeContainer() does nothing when the container was removed", async () => {
    const [one] = (await containers()).filter(({ name }) => name === "absent");
    assert.ok(one);
    await pods.removeContainer(one.id);
    await pods.removeContainer(one.id);
  });

  await test.step("stopSandbox() removes the infra container, and keeps the others with their logs", async () => {
    const uid = "finished";
    await pods.ensureSandbox(sandboxRequest({ podUid: uid }), signal);
    const speak = request("speak", ["echo", "hello"], { podUid: uid });
    const id = await pods.startContainer(speak, signal);
    await engine.run(["wait", id]);
    await pods.stopSandbox(uid);
    await pods.stopSandbox(uid);
    const pod = (await pods.listPods()).find((one) => one.uid === uid);
    assert.equal(pod?.sandbox, undefined);
    assert.deepEqual(
      pod?.containers.map(({ id, exitCode }) => [id, exitCode]),
      [[id, 0]],
    );
    assert.equal(await engine.run(["logs", id]), "hello");
    await pods.removeSandbox(uid);
  });

  await test.step("removeSandbox() removes the network of a pod whose infra container someone removed", async () => {
    await pods.removeSandbox(POD_UID);
    const uid = "lost";
    await pods.ensureSandbox(sandboxRequest({ podUid: uid }), signal);
    const id = (await pods.listPods()).find((pod) => pod.uid === uid)?.sandbox
      ?.id;
    assert.ok(id);
    await engine.run(["rm", "--force", id]);
    await pods.removeSandbox(uid);
    assert.doesNotMatch(await networks(), /aranya/);
  });

  await test.step("removeSandbox() removes all containers and the network", async () => {
    await pods.removeSandbox(POD_UID);
    await pods.removeSandbox(POD_UID);
    assert.deepEqual(await pods.listPods(), []);
    assert.equal(await engine.run(["ps", "-aq"]), "");
    assert.doesNotMatch(await networks(), /aranya/);
  });
});

Deno.test("watchPods() opens the event stream again after five minutes, and has all pods listed", async () => {
  const clock = new VirtualClock();
  const client = new FakeDockerClient({
    // A connection that died without a sign.
    async *stream({ signal }) {
      await new Promise((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason))
      );
      yield new Uint8Array();
    },
  });
  const log = new RecordedLog();
  const pods = new DockerPods({
    client,
    device: "dev",
    clock,
    log: log.logger,
  });
  const stop = new AbortController();
  const watch = pods.watchPods(stop.signal);
  assert.equal((await watch.next()).value, "");
  const next = watch.next();
  await clock.pass(5 * 60_000);
  assert.equal((await next).value, "");
  assert.deepEqual(client.calls, ["GET /events", "GET /events"]);
  assert.deepEqual(log.lines, []);
  const end = watch.next();
  stop.abort();
  assert.equal((await end).done, true);
});

Deno.test("refineStartError() derives the code from the engine's sentence", () => {
  const cases: [string, string][] = [
    ['exec: "x": executable file not found in $PATH', "not_found"],
    ['exec: "/etc": permission denied', "invalid"],
    ["no space left on device", "internal"],
  ];
  for (const [text, code] of cases) {
    const error = new AranyaError(
      "internal",
      `Cannot start container x: ${text}`,
    );
    const refined = refineStartError(error, containerRequest({ name: "a" }));
    assert.ok(refined instanceof AranyaError);
    assert.equal(refined.code, code);
    assert.equal(
      refined.message,
      `Cannot start container "a" of pod "default/web": ${text}`,
    );
  }
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, type ErrorCode } from "../../../lib/shared/base/mod.ts";
import {
  ContainerSchema,
  create,
  EnvField,
  PullPolicy,
} from "../../../lib/shared/wire/mod.ts";
import {
  startContainer,
  type StartContainerOptions,
} from "../../../lib/agent/pods/start_container.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { podOf } from "./_support/pods_fixture.ts";
import { createWorkerContext } from "./_support/worker_context.ts";

type Events = Parameters<StartContainerOptions["reportEvent"]>[0][];

async function createFixture(changes: Partial<StartContainerOptions> = {}) {
  const { context, engine } = createWorkerContext();
  const events: Events = [];
  const spec = podOf();
  await engine.ensureSandbox(
    {
      podUid: "u1",
      namespace: "ns",
      name: "web",
    } as Parameters<typeof engine.ensureSandbox>[0],
  );
  const options: StartContainerOptions = {
    spec,
    container: create(ContainerSchema, { name: "app", image: "img" }),
    role: "app",
    attempt: 2,
    backoffLevel: 1,
    sandboxId: "s1",
    fields: { podIps: ["10.0.0.2"], hostIps: ["192.0.2.1"] },
    runtime: context.runtime,
    volumes: context.volumes,
    reclaimer: context.reclaimer,
    clock: context.clock,
    onPull() {},
    signal: new AbortController().signal,
    reportEvent: (event) => void events.push(event),
    ...changes,
  };
  return { engine, events, options };
}

Deno.test("startContainer() starts an instance with its labels and expanded environment", async () => {
  const { engine, events, options } = await createFixture({
    container: create(ContainerSchema, {
      name: "app",
      image: "img",
      env: [
        { name: "IP", field: EnvField.POD_IP },
        { name: "URL", value: "http://$(IP)" },
      ],
      command: ["serve", "$(URL)"],
      args: ["$$(URL)"],
    }),
  });
  options.spec = podOf({
    security: { fsGroup: 7n, supplementalGroups: [5n, 7n] },
  });
  assert.deepEqual(await startContainer(options), { id: "app-2" });
  const request = engine.requests.get("app-2");
  assert.deepEqual(request?.env, [
    { name: "IP", value: "10.0.0.2" },
    { name: "URL", value: "http://10.0.0.2" },
  ]);
  assert.deepEqual(request?.command, ["serve", "http://10.0.0.2"]);
  assert.deepEqual(request?.args, ["$(URL)"]);
  assert.deepEqual(request?.supplementalGroups, [5, 7]);
  assert.equal(request?.imageId, "sha256:img");
  assert.deepEqual(request?.labels, {
    "aranya.arhat.dev/backoff-level": "1",
    "aranya.arhat.dev/sandbox": "s1",
    "aranya.arhat.dev/image": "img",
  });
  assert.deepEqual(events.map(({ reason, message }) => [reason, message]), [
    ["Pulled", 'Container image "img" already present on machine'],
    ["Started", "Started container app"],
  ]);
});

Deno.test("startContainer() reports beginning and end of a pull, also of one that fails", async () => {
  for (const fails of [false, true]) {
    const states: string[] = [];
    const { engine, options } = await createFixture({
      onPull: (state) => void states.push(state),
    });
    engine.ensureImage = () => {
      states.push("pull");
      return fails
        ? Promise.reject(new AranyaError("internal", "Cannot pull: no space"))
        : Promise.resolve({ imageId: "sha256:1", pulled: true });
    };
    await startContainer(options);
    assert.deepEqual(states, ["started", "pull", "ended"]);
  }
});

Deno.test("startContainer() reports how long a pull took, and the pulled image", async () => {
  const { engine, events, options } = await createFixture();
  engine.ensureImage = async () => {
    await options.clock.sleep(1_234);
    return { imageId: "sha256:1", pulled: true };
  };
  const pulled: string[] = [];
  options.reclaimer.onImagePulled = (imageId) => {
    pulled.push(imageId);
    return Promise.resolve();
  };
  assert.ok(options.clock instanceof VirtualClock);
  await options.clock.run(startContainer(options));
  assert.equal(
    events[0]?.message,
    'Successfully pulled image "img" in 1234ms',
  );
  assert.deepEqual(pulled, ["sha256:1"]);
});

for (
  const [role, kind] of [
    ["init", "init"],
    ["sidecar", "init"],
    ["app", "app"],
  ] as const
) {
  Deno.test(`startContainer() requests kind "${kind}" when the role is ${role}`, async () => {
    const { engine, options } = await createFixture({ role });
    await startContainer(options);
    assert.equal(engine.requests.get("app-2")?.kind, kind);
  });
}

for (
  const [call, code, policy, expected] of [
    ["pull img", "not_found", PullPolicy.ALWAYS, "ErrImagePull"],
    ["pull img", "unavailable", PullPolicy.ALWAYS, "ErrImagePull"],
    ["pull img", "invalid", PullPolicy.ALWAYS, "InvalidImageName"],
    ["pull img", "not_found", PullPolicy.NEVER, "ErrImageNeverPull"],
    ["app", "internal", PullPolicy.ALWAYS, "RunContainerError"],
    ["app", "invalid", PullPolicy.ALWAYS, "CreateContainerConfigError"],
  ] as const satisfies (readonly [string, ErrorCode, PullPolicy, string])[]
) {
  Deno.test(`startContainer() fails with ${expected} when "${call}" is ${code}`, async () => {
    const { engine, events, options } = await createFixture();
    options.container.pullPolicy = policy;
    engine.failures.set(call, new AranyaError(code, "Cannot do it: no"));
    assert.deepEqual(await startContainer(options), {
      reason: expected,
      message: "Cannot do it: no",
      engineUnavailable: false,
    });
    assert.deepEqual(events.at(-1), {
      warning: true,
      reason: "Failed",
      message: expected === "ErrImagePull"
        ? 'Failed to pull image "img": Cannot do it: no'
        : "Error: Cannot do it: no",
    });
  });
}

Deno.test("startContainer() fails without an Event when the engine is unavailable", async () => {
  const { engine, events, options } = await createFixture();
  engine.failures.set("app", new AranyaError("unavailable", "Cannot reach"));
  assert.deepEqual(await startContainer(options), {
    reason: "RunContainerError",
    message: "Cannot reach",
    engineUnavailable: true,
  });
  assert.deepEqual(events.map(({ reason }) => reason), ["Pulled"]);
});

Deno.test("startContainer() does not take an unavailable engine for a registry that is unavailable", async () => {
  const { engine, events, options } = await createFixture();
  engine.unavailable = true;
  assert.deepEqual(await startContainer(options), {
    reason: "ImageInspectError",
    message: "Cannot reach engine: no answer",
    engineUnavailable: true,
  });
  assert.deepEqual(events, []);
});

Deno.test("startContainer() fails with CreateContainerConfigError when a volume is missing", async () => {
  const { options } = await createFixture({
    container: create(ContainerSchema, {
      name: "app",
      image: "img",
      mounts: [{ volume: "none", path: "/x" }],
    }),
  });
  const result = await startContainer(options);
  assert.ok("reason" in result);
  assert.equal(result.reason, "CreateContainerConfigError");
  assert.match(result.message, /the pod has no volume of that name/);
});

Deno.test("startContainer() rejects with the signal's reason when it is aborted", async () => {
  const controller = new AbortController();
  const { engine, options } = await createFixture({
    signal: controller.signal,
  });
  engine.gates.set("pull img", Promise.reject(new Error("cut")));
  controller.abort(new Error("stop"));
  await assert.rejects(startContainer(options), /stop/);
});

for (const isFreed of [true, false]) {
  Deno.test(
    `startContainer() pulls again once after space was freed, which ${
      isFreed ? "helps" : "does not help"
    }`,
    async () => {
      let reclaimCount = 0;
      const { engine, events, options } = await createFixture({
        reclaimer: {
          onImagePulled: () => Promise.resolve(),
          reclaim() {
            reclaimCount++;
            if (isFreed) engine.failures.clear();
            return Promise.resolve();
          },
        },
      });
      const message =
        `Cannot pull image "img": write /layer.tar: no space left on device`;
      engine.failures.set("pull img", new AranyaError("unavailable", message));
      const result = await startContainer(options);
      assert.equal(reclaimCount, 1);
      if (isFreed) return assert.deepEqual(result, { id: "app-2" });
      assert.deepEqual(result, {
        reason: "ErrImagePull",
        message,
        engineUnavailable: false,
      });
      assert.deepEqual(events.map(({ reason }) => reason), ["Failed"]);
    },
  );
}

Deno.test("startContainer() frees no space for a pull that fails for another reason", async () => {
  const { engine, options } = await createFixture({
    reclaimer: {
      reclaim: () => Promise.reject(new Error("not expected")),
      onImagePulled: () => Promise.resolve(),
    },
  });
  const failure = new AranyaError("not_found", "Cannot pull image: unknown");
  engine.failures.set("pull img", failure);
  const result = await startContainer(options);
  assert.equal("reason" in result && result.reason, "ErrImagePull");
});

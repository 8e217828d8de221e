// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  AranyaError,
  type Clock,
  sha256Hex,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
  utf8,
} from "../../lib/base/mod.ts";
import { createTmpfsMounts } from "../../lib/host/mod.ts";
import { createSeal, openStore } from "../../lib/state/mod.ts";
import {
  create,
  PodSpecSchema,
  type PodStatus,
  RestartPolicy,
} from "../../lib/wire/mod.ts";
import {
  createWorkload,
  type PodEvent,
  type Workload,
} from "../../lib/workload/mod.ts";
import { ScriptedEngine } from "./scripted_engine.ts";

type SpecInit = Omit<MessageInitShape<typeof PodSpecSchema>, "$typeName">;

/** One device: its directory and engine outlive agents. */
class Device implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync();
  /** Added to both clocks, to make waiting short. */
  aheadMs = 0;
  readonly clock: Clock = {
    ...SYSTEM_CLOCK,
    monotonicMs: () => SYSTEM_CLOCK.monotonicMs() + this.aheadMs,
    wallMs: () => SYSTEM_CLOCK.wallMs() + this.aheadMs,
  };
  readonly engine = new ScriptedEngine(this.clock);
  readonly events: PodEvent[] = [];
  readonly statuses: PodStatus[] = [];
  blobs = new Map<string, Uint8Array>();
  online = true;
  #workload: Workload | undefined;

  get workload(): Workload {
    assert.ok(this.#workload, "no agent runs");
    return this.#workload;
  }

  static async start(): Promise<Device> {
    const device = new Device();
    await device.startAgent();
    return device;
  }

  async startAgent(): Promise<void> {
    const store = await openStore({
      dir: this.dir,
      seal: createSeal(new Uint8Array(32)),
      log: SILENT_LOGGER,
    });
    this.#workload = await createWorkload({
      runtime: this.engine,
      store,
      mounts: createTmpfsMounts(),
      log: SILENT_LOGGER,
      clock: this.clock,
      hostIps: () => ["192.0.2.1"],
      fetchBlobs: ({ hashes }) =>
        this.online
          ? Promise.resolve(
            hashes.map((hash) => this.blobs.get(hash) ?? new Uint8Array()),
          )
          : Promise.reject(
            new AranyaError("unavailable", "Cannot fetch: no link"),
          ),
      onStatus: (status) => void this.statuses.push(structuredClone(status)),
      onEvent: (event) => void this.events.push(event),
    });
  }

  async stopAgent(): Promise<void> {
    await this.#workload?.[Symbol.asyncDispose]();
    this.#workload = undefined;
  }

  /** Waits until this is so. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const deadline = performance.now() + 5_000;
    while (!condition()) {
      assert.ok(
        performance.now() < deadline,
        `${what}; calls: ${
          this.engine.calls.join(", ")
        }; status: ${this.say()}`,
      );
      await SYSTEM_CLOCK.sleep(2);
    }
  }

  called(call: string): Promise<void> {
    return this.until(`never: ${call}`, () => this.engine.calls.includes(call));
  }

  shows(text: string, uid = "u1"): Promise<void> {
    return this.until(`never: ${text}`, () => this.say(uid).includes(text));
  }

  /** `init:terminated:0 app:running#1 ready`, … */
  say(uid = "u1"): string {
    const status = this.#workload?.status(uid);
    if (!status) return "nothing";
    const containers = [...status.initContainers, ...status.containers].map(
      ({ name, state, restartCount, ready }) => {
        const word = state?.state.case === "waiting"
          ? `waiting:${state.state.value.reason}`
          : state?.state.case === "terminated"
          ? `terminated:${state.state.value.exitCode}`
          : `running`;
        return `${name}:${word}#${restartCount}${ready ? " ready" : ""}`;
      },
    );
    return [...containers, ...status.gone ? ["gone"] : []].join(" ");
  }

  /** Lets time go by and has everybody look. */
  pass(ms: number): void {
    this.aheadMs += ms;
    this.engine.tell("");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgent();
    for (const uid of ["u1", "u2"]) {
      const dir = `${this.dir}/volumes/${uid}/volumes`;
      for await (const { name } of readDir(dir)) {
        await createTmpfsMounts().unmount(`${dir}/${name}`).catch(() => {});
      }
    }
    await Deno.remove(this.dir, { recursive: true });
  }
}

async function* readDir(dir: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(dir);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

const podOf = (more: SpecInit = {}) =>
  create(PodSpecSchema, {
    uid: "u1",
    namespace: "ns",
    name: "web",
    specHash: "h1",
    terminationGraceSeconds: 30n,
    containers: [{ name: "app", image: "img" }],
    ...more,
  });

Deno.test("apply() brings a pod up: sandbox, init containers in order, then the others", async () => {
  await using device = await Device.start();
  await device.workload.apply(podOf({
    initContainers: [{ name: "i1", image: "img" }, {
      name: "i2",
      image: "img",
    }],
    containers: [{ name: "a", image: "img" }, { name: "b", image: "img" }],
  }));
  await device.called("start i1-0");
  await device.shows("a:waiting:PodInitializing#0");
  device.engine.end("i1-0", 0);
  await device.called("start i2-0");
  device.engine.end("i2-0", 0);
  await device.shows(
    "i1:terminated:0#0 ready i2:terminated:0#0 ready a:running#0 ready b:running#0 ready",
  );
  assert.deepEqual(device.engine.calls, [
    "sandbox u1",
    "start i1-0",
    "start i2-0",
    "start a-0",
    "start b-0",
  ]);
  const status = device.workload.status("u1");
  assert.deepEqual(status?.podIps, ["10.0.0.2"]);
  assert.deepEqual(status?.hostIps, ["192.0.2.1"]);
  assert.equal(status?.specHash, "h1");
});

Deno.test("a failing container is restarted, at growing intervals, and the former is in lastState", async () => {
  await using device = await Device.start();
  await device.workload.apply(podOf());
  await device.called("start app-0");
  device.engine.end("app-0", 7);
  await device.called("start app-1");
  await device.shows("app:running#1 ready");
  const status = device.workload.status("u1");
  const last = status?.containers[0]?.lastTerminated?.state;
  assert.equal(last?.case === "terminated" && last.value.exitCode, 7);
  device.engine.end("app-1", 7);
  await device.shows("app:waiting:CrashLoopBackOff#1");
  device.pass(10_000);
  await device.called("start app-2");
  device.engine.end("app-2", 7);
  await device.shows("app:waiting:CrashLoopBackOff#2");
  await device.called("remove app-0");
  assert.ok(device.events.some(({ reason }) => reason === "BackOff"));
});

Deno.test("a restarted agent finds its pods running and starts nothing", async () => {
  await using device = await Device.start();
  await device.workload.apply(podOf());
  await device.shows("app:running#0 ready");
  const before = device.workload.status("u1");
  const calls = device.engine.calls.length;
  await device.stopAgent();
  await device.startAgent();
  const [after] = await device.workload.list();
  assert.equal(after?.containers[0]?.containerId, "docker://app-0");
  assert.deepEqual(after?.containers, before?.containers);
  assert.equal(device.engine.calls.length, calls);
  assert.ok((after?.version ?? 0n) > (before?.version ?? 0n));
});

Deno.test("a device that boots without a link starts its pods in a new sandbox", async () => {
  await using device = await Device.start();
  await device.workload.apply(podOf());
  await device.shows("app:running#0 ready");
  await device.stopAgent();
  device.online = false;
  device.engine.end("app-0", 137);
  const pod = device.engine.pods.get("u1");
  assert.ok(pod?.sandbox);
  pod.sandbox.running = false;
  await device.startAgent();
  await device.called("start app-1");
  await device.shows("app:running#1 ready");
});

Deno.test("remove() runs preStop, stops with the rest of the grace, and says gone; forget() leaves nothing", async () => {
  await using device = await Device.start();
  const hooks: string[] = [];
  device.engine.exec = ({ command }) => {
    hooks.push(command.join(" "));
    return Promise.resolve({ code: 0 });
  };
  await device.workload.apply(podOf({
    volumes: [{ name: "v", source: { case: "emptyDir", value: {} } }],
    containers: [{
      name: "app",
      image: "img",
      preStop: { action: { case: "exec", value: { command: ["bye"] } } },
    }],
  }));
  await device.shows("app:running#0 ready");
  await device.workload.remove({ uid: "u1", graceSeconds: 20 });
  await device.shows("app:terminated:143#0 gone");
  assert.deepEqual(hooks, ["bye"]);
  assert.ok(device.engine.calls.includes("stop app-0 20s"));
  await assert.rejects(device.workload.apply(podOf()), /it is being removed/);
  await device.workload.forget("u1");
  await device.called("remove sandbox u1");
  await device.until("kept", () => device.workload.status("u1") === undefined);
  assert.deepEqual(await device.workload.list(), []);
  assert.deepEqual([...Deno.readDirSync(`${device.dir}/pods`)], []);
  assert.deepEqual([...Deno.readDirSync(`${device.dir}/volumes`)], []);
});

Deno.test("remove() again with less grace shortens the stop that runs", async () => {
  await using device = await Device.start();
  await device.workload.apply(podOf());
  await device.shows("app:running#0 ready");
  const gate = Promise.withResolvers<void>();
  device.engine.gates.set("stop app-0", gate.promise);
  await device.workload.remove({ uid: "u1", graceSeconds: 600 });
  await device.called("stop app-0 600s");
  await device.workload.remove({ uid: "u1", graceSeconds: 5 });
  await device.called("stop app-0 5s");
  gate.resolve();
  await device.shows("gone");
});

Deno.test("remove() cuts a preStop hook short when the grace is over", async () => {
  await using device = await Device.start();
  device.engine.exec = (_request, { signal }) =>
    new Promise((_resolve, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  await device.workload.apply(podOf({
    containers: [{
      name: "app",
      image: "img",
      preStop: { action: { case: "exec", value: { command: ["hang"] } } },
    }],
  }));
  await device.shows("app:running#0 ready");
  await device.workload.remove({ uid: "u1", graceSeconds: 600 });
  await device.until(
    "no stop began",
    () => device.events.some(({ reason }) => reason === "Killing"),
  );
  await device.workload.remove({ uid: "u1", graceSeconds: 0 });
  await device.called("stop app-0 2s");
  await device.shows("gone");
});

Deno.test("remove() of a pod that is unknown here says gone", async () => {
  await using device = await Device.start();
  await device.workload.remove({ uid: "u1", graceSeconds: 30 });
  await device.shows("gone");
  await device.workload.forget("u1");
  await device.until("kept", () => device.workload.status("u1") === undefined);
});

Deno.test("remove() gives up a start that hangs", async () => {
  await using device = await Device.start();
  const gate = Promise.withResolvers<void>();
  device.engine.gates.set("app", gate.promise);
  await device.workload.apply(podOf());
  await device.called("sandbox u1");
  await device.workload.remove({ uid: "u1", graceSeconds: 30 });
  gate.resolve();
  await device.shows("gone");
  assert.equal(device.engine.find("app-0"), undefined);
});

Deno.test("a tombstone outlives the agent", async () => {
  await using device = await Device.start();
  await device.workload.apply(podOf());
  await device.shows("app:running#0 ready");
  await device.workload.remove({ uid: "u1", graceSeconds: 30 });
  await device.shows("gone");
  await device.stopAgent();
  device.engine.pods.clear();
  await device.startAgent();
  const [status] = await device.workload.list();
  assert.equal(status?.gone, true);
  const state = status?.containers[0]?.state?.state;
  assert.equal(state?.case === "terminated" && state.value.exitCode, 143);
});

Deno.test("a finished pod is not run again when somebody pruned the engine", async () => {
  await using device = await Device.start();
  await device.workload.apply(podOf({ restartPolicy: RestartPolicy.NEVER }));
  await device.called("start app-0");
  device.engine.end("app-0", 3);
  await device.shows("app:terminated:3#0");
  await device.stopAgent();
  device.engine.pods.clear();
  await device.startAgent();
  await device.shows("app:terminated:3#0");
  assert.equal(
    device.engine.calls.filter((call) => call.startsWith("start")).length,
    1,
  );
});

Deno.test("a failed pull holds nothing else up and is tried again", async () => {
  await using device = await Device.start();
  device.engine.failures.set(
    "pull bad",
    new AranyaError("not_found", "Cannot pull image: unknown"),
  );
  await device.workload.apply(podOf({
    containers: [{ name: "a", image: "bad" }, { name: "b", image: "img" }],
  }));
  await device.shows("a:waiting:ErrImagePull#0 b:running#0 ready");
  device.pass(6_000);
  await device.shows("a:waiting:ImagePullBackOff#0");
  device.engine.failures.clear();
  device.pass(5_000);
  await device.shows("a:running#0 ready b:running#0 ready");
});

Deno.test("one pod that can't be started does not touch another", async () => {
  await using device = await Device.start();
  device.engine.failures.set("bad", new AranyaError("internal", "Cannot x"));
  await device.workload.apply(
    podOf({ containers: [{ name: "bad", image: "img" }] }),
  );
  await device.workload.apply(podOf({ uid: "u2", name: "other" }));
  await device.shows("app:running#0 ready", "u2");
  await device.shows("bad:waiting:RunContainerError#0");
});

Deno.test("an engine that is away is waited for", async () => {
  await using device = await Device.start();
  device.engine.away = true;
  await device.workload.apply(podOf());
  await device.shows("app:waiting:ContainerCreating#0");
  device.engine.away = false;
  device.engine.tell("");
  await device.shows("app:running#0 ready");
});

Deno.test("a damaged record leaves its containers alone until the operator speaks", async () => {
  await using device = await Device.start();
  await device.workload.apply(podOf());
  await device.shows("app:running#0 ready");
  await device.stopAgent();
  await Deno.writeFile(`${device.dir}/pods/u1`, utf8("torn"));
  const calls = device.engine.calls.length;
  await device.startAgent();
  const [orphan] = await device.workload.list();
  assert.equal(orphan?.specHash, "");
  assert.equal(orphan?.containers[0]?.state?.state.case, "running");
  await device.workload.apply(podOf());
  await device.until(
    "not adopted",
    () => device.workload.status("u1")?.specHash === "h1",
  );
  await device.shows("app:running#0 ready");
  assert.equal(device.engine.calls.length, calls);
});

Deno.test("a changed ConfigMap reaches the file while the container runs; its content survives without a link", async () => {
  await using device = await Device.start();
  const specOf = async (text: string) => {
    const sha256 = await sha256Hex(utf8(text));
    device.blobs.set(sha256, utf8(text));
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
  await device.workload.apply(await specOf("one"));
  await device.shows("app:running#0 ready");
  const path = `${device.dir}/volumes/u1/volumes/conf/a`;
  assert.equal(await Deno.readTextFile(path), "one");
  await device.workload.apply(await specOf("two"));
  await device.until(
    "not changed",
    () => Deno.readTextFileSync(path) === "two",
  );
  assert.equal(
    device.engine.calls.filter((call) => call.startsWith("start")).length,
    1,
  );
  assert.equal([...Deno.readDirSync(`${device.dir}/blobs`)].length, 1);
  await device.stopAgent();
  device.online = false;
  await Deno.remove(`${device.dir}/volumes`, { recursive: true });
  await device.startAgent();
  await device.until("not restored", () => {
    try {
      return Deno.readTextFileSync(path) === "two";
    } catch {
      return false;
    }
  });
});

Deno.test("content that can't be had holds the pod back until there is a link", async () => {
  await using device = await Device.start();
  device.online = false;
  const sha256 = await sha256Hex(utf8("x"));
  device.blobs.set(sha256, utf8("x"));
  await device.workload.apply(podOf({
    volumes: [{
      name: "conf",
      source: { case: "files", value: { files: [{ path: "a", sha256 }] } },
    }],
  }));
  await device.until(
    "no event",
    () => device.events.some(({ reason }) => reason === "FailedMount"),
  );
  assert.match(device.say(), /app:waiting:ContainerCreating/);
  device.online = true;
  device.workload.retry();
  await device.shows("app:running#0 ready");
});

Deno.test("a new pod of the same name waits for the old one to be gone", async () => {
  await using device = await Device.start();
  await device.workload.apply(podOf());
  await device.shows("app:running#0 ready");
  const gate = Promise.withResolvers<void>();
  device.engine.gates.set("stop app-0", gate.promise);
  await device.workload.remove({ uid: "u1", graceSeconds: 30 });
  await device.workload.apply(podOf({ uid: "u2" }));
  await device.called("stop app-0 30s");
  await device.shows("app:waiting:ContainerCreating#0", "u2");
  assert.ok(!device.engine.calls.includes("sandbox u2"));
  gate.resolve();
  await device.called("sandbox u2");
});

Deno.test("a pod is failed and its containers stopped at its active deadline", async () => {
  await using device = await Device.start();
  await device.workload.apply(podOf({ activeDeadlineSeconds: 60n }));
  await device.shows("app:running#0 ready");
  device.pass(61_000);
  await device.shows("app:terminated:143#0");
  assert.equal(device.workload.status("u1")?.failureReason, "DeadlineExceeded");
});

Deno.test("an unready container becomes ready by its probe, and a failed liveness probe ends it", async () => {
  await using device = await Device.start();
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
  await device.workload.apply(podOf({
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
  await using device = await Device.start();
  device.engine.log = "it went wrong";
  const container = (name: string, more = {}) => ({
    name,
    image: "img",
    terminationMessagePath: "/dev/termination-log",
    ...more,
  });
  await device.workload.apply(podOf({
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
  const messages = device.workload.status("u1")?.containers.map(({ state }) =>
    state?.state.case === "terminated" ? state.state.value.message : ""
  );
  assert.deepEqual(messages, ["my own words", "it went wrong"]);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  concatBytes,
  fromUtf8,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import {
  DockerHttpClient,
  inspectImage,
} from "../../../lib/agent/docker/mod.ts";
import {
  type ContainerRef,
  type ContainerRequest,
  DockerRuntime,
  type RuntimeLogsRequest,
} from "../../../lib/agent/runtime/mod.ts";
import { DockerStreams } from "../../../lib/agent/runtime/docker_streams.ts";
import { LocalMachine } from "../../../lib/agent/host/mod.ts";
import {
  FakeClient,
  type FakeClientOptions,
} from "../host/_support/fake_client.ts";
import { until } from "../../../dev/base/wait.ts";
import { Dockerd, IMAGES } from "../../../dev/world/mod.ts";
import {
  type ContainerFields,
  containerRequest,
  POD_UID,
  sandboxRequest,
} from "./_support/requests.ts";

const { signal } = new AbortController();

/** A machine whose programs run where the engine runs. */
class EngineMachine extends LocalMachine {
  readonly #engine: Dockerd;

  constructor(engine: Dockerd) {
    super();
    this.#engine = engine;
  }

  override run(
    name: string,
    options: Parameters<LocalMachine["run"]>[1],
  ): ReturnType<LocalMachine["run"]> {
    const [program = "", ...args] = this.#engine.machine.wrap(
      [name, ...options.args],
      { inside: true },
    );
    return super.run(program, { ...options, args });
  }
}

Deno.test("DockerStreams on a real engine", async (test) => {
  await using engine = await Dockerd.start();
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const runtime = new DockerRuntime({
    client,
    device: "dev",
    log: SILENT_LOGGER,
  });
  const { Id: imageId } = await inspectImage(client, IMAGES.busybox);
  // Where the processes of the engine are visible, as on a device.
  const runtimeInside = new DockerRuntime({
    client,
    device: "dev",
    log: SILENT_LOGGER,
    machine: new EngineMachine(engine),
  });
  await runtime.ensureSandbox(
    sandboxRequest({ shareProcessNamespace: true }),
    signal,
  );
  const start = (
    script: string,
    fields: ContainerFields = {},
    changes: Partial<ContainerRequest> = {},
  ) =>
    runtime.startContainer(
      containerRequest(
        { name: `c${crypto.randomUUID()}`, image: IMAGES.busybox, ...fields },
        { imageId, command: ["sh", "-c", script], ...changes },
      ),
      signal,
    );
  const targetOf = (containerId: string): ContainerRef => ({
    kind: "container",
    containerId,
    podUid: POD_UID,
  });
  const main = await start("exec sleep 1000");
  const execute = async (
    command: string[],
    options: FakeClientOptions & { tty?: boolean } = {},
  ) => {
    const client = new FakeClient(options);
    const result = await runtime.exec({
      target: targetOf(main),
      command,
      stdin: client.hasInput,
      stdout: true,
      stderr: true,
      tty: options.tty === true,
    }, client.io);
    return { ...result, out: client.stdout, err: client.stderr };
  };
  const readLog = async (
    id: string,
    options: Partial<RuntimeLogsRequest<ContainerRef>> = {},
  ) => {
    const parts = await Array.fromAsync(runtime.logs({
      target: targetOf(id),
      follow: false,
      timestamps: false,
      ...options,
    }, signal));
    return fromUtf8(concatBytes(parts));
  };

  for (
    const [title, script] of [
      ["runs", "sleep 1111; echo end"],
      ["has closed its output", "exec sleep 1111 >/dev/null 2>&1"],
    ] as const
  ) {
    await test.step(`exec() kills a command with its children when it is aborted and it ${title}`, async () => {
      const controller = new AbortController();
      const client = new FakeClient();
      const running = runtimeInside.exec({
        target: targetOf(main),
        command: ["sh", "-c", script],
        stdin: false,
        stdout: true,
        stderr: true,
        tty: false,
        killWhenLeft: true,
      }, { ...client.io, signal: controller.signal });
      const isRunning = async () =>
        (await engine.run(["top", main])).includes("sleep 1111");
      await until(isRunning, { what: "the command" });
      controller.abort(new Error("time is over"));
      await running;
      await until(async () => !await isRunning(), {
        what: "the end of the command",
      });
    });
  }

  await test.step("exec() separates outputs and half-closes stdin", async () => {
    const script = "cat; echo e >&2; exit 9";
    assert.deepEqual(
      await execute(["sh", "-c", script], { input: ["a", "b"] }),
      { code: 9, out: "ab", err: "e\n" },
    );
    assert.equal((await execute(["sh", "-c", "kill -9 $$"])).code, 137);
  });

  for (
    const [title, outputs] of [
      ["has no output", { stdout: false, stderr: false }],
      ["closes its output", { stdout: true, stderr: true }],
    ] as const
  ) {
    await test.step(`exec() waits for a command that ${title}`, async () => {
      // Polls without pauses, so that many of them need no long time.
      const clock = { ...SYSTEM_CLOCK, sleep: () => Promise.resolve() };
      const result = await new DockerStreams({ client, clock }).exec({
        ...outputs,
        stdin: true,
        target: targetOf(main),
        command: ["sh", "-c", "exec >/dev/null 2>&1; sleep 2; exit $(wc -c)"],
        tty: false,
      }, new FakeClient({ input: ["12345", "6789"] }).io);
      assert.deepEqual(result, { code: 9 });
    });
  }

  await test.step("exec() ends when the client leaves a command that has closed its output", async () => {
    const client = new FakeClient();
    const script = "exec >/dev/null 2>&1; sleep 2222";
    const running = runtimeInside.exec({
      target: targetOf(main),
      command: ["sh", "-c", script],
      stdin: false,
      stdout: true,
      stderr: true,
      tty: false,
    }, client.io);
    await until(async () =>
      (await engine.run(["top", main])).includes("sleep 2222")
    );
    client.disconnect();
    assert.equal((await running).reason, "ClientLeft");
  });

  await test.step("exec() returns 126 and a message when the command can't be found", async () => {
    const { code, out } = await execute(["absent-command"]);
    assert.equal(code, 126);
    assert.match(out, /executable file not found/);
  });

  await test.step("exec() sends all output to a slow client", async () => {
    const { out } = await execute(["head", "-c", "2000000", "/dev/zero"], {
      isSlow: true,
    });
    assert.equal(out.length, 2_000_000);
  });

  await test.step("exec() applies the last of many sizes", async () => {
    const sizes = Array.from({ length: 50 }, (_, index) => ({
      width: 50 + index,
      height: 33,
    }));
    const script =
      'while [ "$(stty size 2>/dev/null)" != "33 99" ]; do sleep 0.05; done; echo sized';
    const { out } = await execute(["sh", "-c", script], { tty: true, sizes });
    assert.equal(out, "sized\r\n");
  });

  await test.step("exec() lets the process continue when the client leaves", async () => {
    const client = new FakeClient();
    const script = "echo ready; sleep 0.3; echo > /tmp/continued";
    const running = runtime.exec({
      target: targetOf(main),
      command: ["sh", "-c", script],
      stdin: false,
      stdout: true,
      stderr: true,
      tty: false,
    }, client.io);
    await until(() => client.stdout === "ready\n");
    client.disconnect();
    assert.equal((await running).reason, "ClientLeft");
    await until(async () =>
      (await execute(["ls", "/tmp/continued"])).code === 0
    );
  });

  await test.step("the infra container reaps orphans in a shared process namespace", async () => {
    const id = await start(
      "(sleep 0.1 &); (sleep 0.2 &); sleep 0.5; exec tail -f /dev/null",
      {},
      { shareProcessNamespace: true },
    );
    // A process that has just ended is a zombie for a moment.
    await until(async () => {
      const client = new FakeClient();
      const result = await runtime.exec({
        target: targetOf(id),
        command: ["sh", "-c", "cat /proc/[0-9]*/stat"],
        stdin: false,
        stdout: true,
        stderr: true,
        tty: false,
      }, client.io);
      return result.code === 0 && / \(tail\) S /.test(client.stdout) &&
        /^1 \(infra\) S /m.test(client.stdout) &&
        !/\(sleep\)|\) Z /.test(client.stdout);
    }, "a namespace without zombies");
  });

  await test.step("attach() connects to the first process and closes its stdin with stdinOnce", async () => {
    const script = "while read line; do echo got $line; done; echo end >&2";
    const id = await start(script, { stdin: true, stdinOnce: true });
    const client = new FakeClient({ input: ["one\n", "two\n"] });
    const result = await runtime.attach({
      target: targetOf(id),
      stdin: true,
      stdout: true,
      stderr: true,
      tty: false,
      stdinOnce: true,
    }, client.io);
    assert.deepEqual(result, { code: 0 });
    assert.equal(client.stdout, "got one\ngot two\n");
    assert.equal(client.stderr, "end\n");
    await engine.run(["wait", id]);
    await assert.rejects(
      runtime.attach({
        target: targetOf(id),
        stdin: false,
        stdout: true,
        stderr: true,
        tty: false,
        stdinOnce: false,
      }, new FakeClient().io),
      { code: "conflict", message: /it is exited, expected running/ },
    );
  });

  await test.step("logs() applies tail, limit and times", async () => {
    const id = await start("echo one; echo two >&2; echo three");
    await engine.run(["wait", id]);
    assert.equal((await readLog(id)).length, "one\ntwo\nthree\n".length);
    assert.match(await readLog(id, { limitBytes: 2 }), /^(?:on|tw|th)$/);
    assert.equal(await readLog(id, { tailLines: 0 }), "");
    assert.equal((await readLog(id, { tailLines: 1 })).split("\n").length, 2);
    const stamped = await readLog(id, { timestamps: true });
    assert.match(stamped, /^\d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z one$/m);
    const future = new Date(Date.now() + 60_000).toISOString();
    assert.equal(await readLog(id, { sinceTime: future }), "");
    const past = new Date(Date.now() - 60_000).toISOString();
    assert.match(await readLog(id, { sinceTime: past }), /three/);
  });

  await test.step("logs() yields the raw log of a terminal", async () => {
    const id = await start("echo one", { tty: true });
    await engine.run(["wait", id]);
    assert.equal(await readLog(id), "one\r\n");
  });

  await test.step("logs() follows until the container exits or the client leaves", async () => {
    const id = await start("echo one; sleep 0.3; echo two");
    assert.equal(await readLog(id, { follow: true }), "one\ntwo\n");
    const stop = new AbortController();
    const chunks = runtime.logs({
      target: targetOf(main),
      follow: true,
      timestamps: false,
    }, stop.signal);
    const following = Array.fromAsync(chunks);
    stop.abort(new Error("aborted"));
    await assert.rejects(following, /aborted/);
  });

  await test.step("connectPort() reaches the pod's loopback, and fails when nothing listens", async () => {
    await start("echo hello > /tmp/f; httpd -f -p 127.0.0.1:8081 -h /tmp");
    const connect = async (port: number) => {
      let text = "";
      await runtime.connectPort({ target: targetOf(main), port }, {
        input: (async function* () {
          yield utf8("GET /f HTTP/1.0\r\n\r\n");
        })(),
        output: (chunk) => Promise.resolve(void (text += fromUtf8(chunk))),
        endOutput: () => Promise.resolve(void (text += "|")),
        signal,
      });
      return text;
    };
    await until(() =>
      connect(8081).then(
        (text) => /200 OK[^]*hello\n\|$/.test(text),
        () => false,
      )
    );
    await assert.rejects(connect(8082), {
      message:
        "Cannot forward to port 8082 of the pod: nothing listens on port 8082",
    });
  });

  await runtime.removeSandbox(POD_UID);
});

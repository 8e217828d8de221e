// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { concatBytes, fromUtf8 } from "../../../lib/shared/base/mod.ts";
import {
  attachContainer,
  createContainer,
  createExec,
  demux,
  type DockerClient,
  DockerHttpClient,
  inspectContainer,
  inspectExec,
  killContainer,
  listContainers,
  loadImage,
  pullImage,
  readContainerLog,
  readContainerStats,
  removeContainer,
  resizeExec,
  startContainer,
  startExec,
  waitContainer,
} from "../../../lib/agent/docker/mod.ts";
import { formatContainerId } from "../../../lib/agent/docker/containers.ts";
import { Dockerd, IMAGES } from "../../../dev/world/mod.ts";

const LABEL = "aranya-test";

async function run(
  client: DockerClient,
  script: string,
  config: { Tty?: boolean; OpenStdin?: boolean } = {},
): Promise<string> {
  const id = await createContainer(client, {
    name: `test-${crypto.randomUUID()}`,
    config: {
      Image: IMAGES.busybox,
      Cmd: ["sh", "-c", script],
      Labels: { [LABEL]: "1" },
      HostConfig: { NetworkMode: "none" },
      ...config,
    },
  });
  await startContainer(client, id);
  return id;
}

async function execute(
  client: DockerClient,
  options: { id: string; command: string[]; input?: Uint8Array[] },
) {
  const { id, command, input } = options;
  const exec = await createExec(client, {
    containerId: id,
    command,
    stdin: input !== undefined,
    stdout: true,
    stderr: true,
    tty: false,
  });
  const socket = await startExec(client, { id: exec, tty: false });
  const feeding = (async () => {
    for (const chunk of input ?? []) await socket.write(chunk);
    await socket.endInput();
  })();
  const output: Record<string, Uint8Array[]> = { stdout: [], stderr: [] };
  for await (const { stream, bytes } of demux(socket.output)) {
    output[stream]?.push(bytes);
  }
  await feeding;
  socket.close();
  return {
    code: (await inspectExec(client, exec)).ExitCode,
    stdout: concatBytes(output["stdout"] ?? []),
    stderr: fromUtf8(concatBytes(output["stderr"] ?? [])),
  };
}

Deno.test("container calls on a real engine", async (test) => {
  await using engine = await Dockerd.start();
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });

  await test.step("a container is created, started, listed, killed, waited for, inspected and removed", async () => {
    const id = await run(client, "echo out; echo err >&2; exec sleep 100");
    const [listed] = await listContainers(client, { labels: [LABEL] });
    assert.equal(listed?.Id, id);
    await killContainer(client, { id, signalName: "SIGKILL" });
    await waitContainer(client, { id, timeoutMs: 60_000 });
    const { State } = await inspectContainer(client, id);
    assert.equal(State.ExitCode, 137);
    const pieces = await Array.fromAsync(
      demux(await readContainerLog(client, { id })),
    );
    assert.deepEqual(
      pieces.map(({ stream, bytes }) => `${stream} ${fromUtf8(bytes)}`).sort(),
      ["stderr err\n", "stdout out\n"],
    );
    await assert.rejects(killContainer(client, { id, signalName: "SIGTERM" }), {
      code: "conflict",
    });
    await removeContainer(client, id);
    await assert.rejects(inspectContainer(client, id), { code: "not_found" });
  });

  await test.step("startExec() half-closes stdin and returns all output, inspectExec() the exit code", async () => {
    const id = await run(client, "exec sleep 100");
    const input = [crypto.getRandomValues(new Uint8Array(50_000))];
    const result = await execute(client, {
      id,
      command: ["sh", "-c", "cat; echo done >&2; exit 7"],
      input,
    });
    assert.equal(result.code, 7);
    assert.deepEqual(result.stdout, input[0]);
    assert.equal(result.stderr, "done\n");
    const big = await execute(client, {
      id,
      command: ["head", "-c", "20000000", "/dev/zero"],
    });
    assert.equal(big.stdout.length, 20_000_000);
    await removeContainer(client, id);
  });

  await test.step("resizeExec() resizes the terminal of a command", async () => {
    const id = await run(client, "exec sleep 100");
    const exec = await createExec(client, {
      containerId: id,
      command: ["sh", "-c", "read line; stty size"],
      stdin: true,
      stdout: true,
      stderr: true,
      tty: true,
    });
    const socket = await startExec(client, { id: exec, tty: true });
    await resizeExec(client, { id: exec, width: 101, height: 41 });
    await socket.write(new TextEncoder().encode("\n"));
    const parts = await Array.fromAsync(socket.output);
    assert.match(fromUtf8(concatBytes(parts)), /41 101/);
    socket.close();
    await removeContainer(client, id);
  });

  await test.step("attachContainer() connects to the first process", async () => {
    const id = await run(client, "read line; echo got $line", {
      OpenStdin: true,
    });
    const socket = await attachContainer(client, {
      id,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    await socket.write(new TextEncoder().encode("this\n"));
    const pieces = await Array.fromAsync(demux(socket.output));
    assert.equal(
      fromUtf8(concatBytes(pieces.map((one) => one.bytes))),
      "got this\n",
    );
    socket.close();
    await removeContainer(client, id);
  });

  await test.step("readContainerStats() returns the memory usage of a running container", async () => {
    const id = await run(client, "exec sleep 100");
    const stats = await readContainerStats(client, { id });
    assert.ok((stats.memory_stats?.usage ?? 0) > 0);
    await removeContainer(client, id);
  });

  await test.step("errors have the engine's sentence and the code of its status", async () => {
    await assert.rejects(
      createContainer(client, {
        name: "none",
        config: { Image: "absent:1", Labels: {}, HostConfig: {} },
      }),
      { code: "not_found", message: /No such image: absent:1/ },
    );
    await assert.rejects(
      pullImage(client, { image: "127.0.0.1:1/none:1" }),
      { code: "unavailable", message: /^Cannot pull image.*refused/ },
    );
    await assert.rejects(loadImage(client, new Uint8Array(10)), /Cannot load/);
  });
});

Deno.test("formatContainerId() returns 12 characters of an id and quotes a name", () => {
  assert.equal(formatContainerId("a".repeat(64)), "aaaaaaaaaaaa");
  assert.equal(formatContainerId("web"), '"web"');
});

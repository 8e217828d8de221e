// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { launch, stillLaunched } from "../../../dev/world/launch.ts";
import { join, ROOT } from "../../../dev/base/paths.ts";
import { until } from "../../../dev/base/wait.ts";

async function withFolder(
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "aranya-test-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("launch() keeps a program's output and gives its exit code", async () => {
  await withFolder(async (folder) => {
    const log = join(folder, "log");
    await using program = await launch("sh", {
      name: "talker",
      args: ["-c", "echo out; echo err >&2; exit 7"],
      log,
    });
    assert.equal(await program.exited, 7);
    assert.equal(await Deno.readTextFile(log), "out\nerr\n");
  });
});

Deno.test("launch() stops a program that ignores SIGTERM", async () => {
  await withFolder(async (folder) => {
    const program = await launch("sh", {
      name: "stubborn",
      args: ["-c", "trap '' TERM; echo up; while :; do sleep 1; done"],
      log: join(folder, "log"),
    });
    await until(
      async () => (await Deno.readTextFile(program.log)).includes("up"),
      { what: "the program's first line" },
    );
    assert.equal(await program.stop({ graceMs: 100 }), 137);
    assert.equal(program.running, false);
    assert.deepEqual(stillLaunched(), []);
  });
});

Deno.test("launch() ends the program when the process that launched it is killed", async () => {
  await withFolder(async (folder) => {
    const pidFile = join(folder, "pid");
    const script = `
      import { launch } from "${join(ROOT, "dev/world/launch.ts")}";
      const program = await launch("sleep", { name: "sleeper", args: ["1000"], log: "${folder}/log" });
      await Deno.writeTextFile("${pidFile}", String(program.pid));
      await program.exited;`;
    const owner = new Deno.Command(Deno.execPath(), {
      args: ["eval", script],
      cwd: ROOT,
      stdout: "null",
      stderr: "null",
    }).spawn();
    const pid = await until(
      async () => Number(await Deno.readTextFile(pidFile)) || undefined,
      { what: "the program's process id" },
    );
    owner.kill("SIGKILL");
    await owner.status;
    await until(
      async () => !(await Deno.stat(`/proc/${pid}`).catch(() => undefined)),
      { what: "the program's end" },
    );
  });
});

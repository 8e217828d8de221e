// SPDX-License-Identifier: Apache-2.0
/** The demo, as the README has it run. */
import assert from "node:assert/strict";
import { join, ROOT } from "../../dev/base/paths.ts";
import { tryRun, until } from "../_support/mod.ts";
import { story } from "./_support/story.ts";

/** Folders, mounts and control groups of worlds whose maker is this process. */
async function remainsOf(pid: number): Promise<string[]> {
  const mark = `aranya-${pid}-`;
  const found: string[] = [];
  for await (const entry of Deno.readDir("/var/tmp")) {
    if (entry.name.startsWith(mark)) found.push(entry.name);
  }
  const mounts = await Deno.readTextFile("/proc/self/mounts");
  found.push(...mounts.split("\n").filter((line) => line.includes(mark)));
  const groups = await tryRun("find", {
    args: ["/sys/fs/cgroup", "-maxdepth", "2", "-name", `${mark}*`],
  });
  return [...found, ...groups.stdout.split("\n").filter(Boolean)];
}

story(
  "the demo shows its tour, ends with 0 after --once and leaves nothing",
  async () => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", join(ROOT, "dev/demo.ts"), "--once"],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const output = await child.output();
    const text = new TextDecoder().decode(output.stdout);
    assert.equal(
      output.code,
      0,
      text + new TextDecoder().decode(output.stderr),
    );
    for (
      const shown of [
        "get nodes",
        "exec edge-1",
        "rollout status",
        "hello from the edge",
      ]
    ) {
      assert.ok(
        text.includes(shown),
        `"${shown}" is not in the tour:\n${text}`,
      );
    }
    assert.deepEqual(await remainsOf(child.pid), []);
  },
);

story(
  "the demo leaves nothing when it is interrupted while it stays up",
  async () => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", join(ROOT, "dev/demo.ts")],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    let text = "";
    const reading = (async () => {
      for await (
        const part of child.stdout.pipeThrough(new TextDecoderStream())
      ) text += part;
    })();
    await until(() => text.includes("stays up until Ctrl-C"), {
      what: "a demo that stays up",
      timeoutMs: 200_000,
      detail: () => text,
    });
    child.kill("SIGINT");
    assert.equal((await child.status).code, 0);
    await reading;
    assert.deepEqual(await remainsOf(child.pid), []);
  },
);

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { join, ROOT } from "../../../dev/base/paths.ts";
import { until } from "../../../dev/base/wait.ts";

const HANGING = `
Deno.test("ends", () => {});
Deno.test("hangs", async () => {
  const child = new Deno.Command("sleep", { args: ["54323"] }).spawn();
  await Deno.writeTextFile(Deno.env.get("PID_FILE"), String(child.pid));
  await child.status;
});`;

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`stopOnSignals() ends everything on ${signal}, and the run still prints its summary`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "aranya-test-" });
    const file = join(folder, "hanging_test.ts");
    const pidFile = join(folder, "pid");
    await Deno.writeTextFile(file, HANGING);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "dev/test.ts", "pure", "--", file],
      cwd: ROOT,
      env: { NO_COLOR: "1", PID_FILE: pidFile },
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const output = new Response(child.stdout).text();
    try {
      const pid = await until(
        async () =>
          await Deno.readTextFile(pidFile).catch(() => "") || undefined,
        { what: "the hanging test", timeoutMs: 120_000 },
      );
      child.kill(signal);
      assert.equal((await child.status).code, 1);
      const text = await output;
      assert.match(text, /hangs/);
      assert.match(text, /\n1 passed, [12] failed\n$/);
      await until(async () => {
        const state = await Deno.readTextFile(`/proc/${pid}/stat`)
          .catch(() => "");
        // Ended, or a zombie that its parent has not reaped.
        return /^$|\) Z /.test(state);
      }, "the end of the test's program");
    } finally {
      await output;
      await Deno.remove(folder, { recursive: true });
    }
  });
}

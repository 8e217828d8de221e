// SPDX-License-Identifier: Apache-2.0
/** The packages of both halves, brought into Deno's cache before anything is timed. */
import { ROOT } from "../base/paths.ts";
import { run } from "../base/run.ts";
import { withProgress } from "../base/say.ts";

/** Brings what main.ts and agent.ts import. */
export async function prepareModules(): Promise<void> {
  await withProgress("bringing packages", () =>
    run(Deno.execPath(), {
      args: ["cache", "--quiet", "--no-check", "main.ts", "agent.ts"],
      cwd: ROOT,
      timeoutMs: 300_000,
    }));
}

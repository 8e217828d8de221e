// SPDX-License-Identifier: Apache-2.0
/** npm packages of both programs, put into Deno's cache before anything is timed. */
import { ROOT } from "../base/paths.ts";
import { run } from "../base/run.ts";
import { withProgress } from "../base/terminal.ts";

/** Downloads what main.ts and agent.ts import, unless it is cached. */
export async function prepareModules(): Promise<void> {
  await withProgress("downloading npm packages", () =>
    run(Deno.execPath(), {
      args: ["cache", "--quiet", "--no-check", "main.ts", "agent.ts"],
      cwd: ROOT,
      timeoutMs: 300_000,
    }));
}

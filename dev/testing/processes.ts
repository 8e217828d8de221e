// SPDX-License-Identifier: Apache-2.0
/**
 * Finds processes that a test run left behind, by an environment variable that all its processes
 * inherit.
 */
import { join } from "../base/paths.ts";
import { until } from "../base/wait.ts";

/** Environment variable with the run's id. */
export const TEST_RUN = "ARANYA_TEST_RUN";

/** A process that still runs. */
export interface LeftProcess {
  pid: number;
  /** Its command line. */
  command: string;
}

/** Returns the processes whose environment has this run's id. */
export async function findProcesses(runId: string): Promise<LeftProcess[]> {
  const found: LeftProcess[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    const environment = await readProc(name, "environ");
    if (!environment.split("\0").includes(`${TEST_RUN}=${runId}`)) continue;
    const command = await readProc(name, "cmdline");
    found.push({
      pid: Number(name),
      command: command.replaceAll("\0", " ").trim().slice(0, 200),
    });
  }
  return found;
}

/**
 * Kills what a run left behind, and returns it. Processes that end by themselves within `graceMs`
 * don't count: some are killed by the kernel only after the test process has ended.
 */
export async function killProcesses(
  runId: string,
  options: { graceMs?: number } = {},
): Promise<LeftProcess[]> {
  const { graceMs = 3000 } = options;
  let left: LeftProcess[] = [];
  await until(async () => {
    left = await findProcesses(runId);
    return left.length === 0;
  }, { what: "the end of all processes", timeoutMs: graceMs }).catch(() => {});
  for (const { pid } of left) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return left;
}

/** Returns a file of /proc, or "" when the process has ended or belongs to another user. */
async function readProc(pid: string, file: string): Promise<string> {
  return await Deno.readTextFile(join("/proc", pid, file)).catch(() => "");
}

// SPDX-License-Identifier: Apache-2.0
/** Programs of Debian packages, installed on demand when this process is root. */
import { AranyaError } from "../../lib/shared/base/mod.ts";
import { join } from "../base/paths.ts";
import { findOnPath, run, tryRun } from "../base/run.ts";
import { withProgress } from "../base/terminal.ts";

const INSTALL_TIMEOUT_MS = 300_000;
/** Script that a package asks before it starts a service; exit code 101 forbids it. */
const POLICY = "/usr/sbin/policy-rc.d";

/**
 * Returns the path of a program; its package is installed when it is absent. Services of the
 * package are not started.
 * @param options.folder where the package puts the program, when that is not on PATH
 * @throws {AranyaError} "not_found" with one line that names the missing package
 */
export async function ensureProgram(
  program: string,
  options: { package: string; folder?: string },
): Promise<string> {
  const { folder } = options;
  const find = () => folder ? findIn(folder, program) : findOnPath(program);
  const found = await find();
  if (found) return found;
  const sentence =
    `Cannot find ${program}: the package ${options.package} is not installed`;
  if (Deno.uid() !== 0 || !await findOnPath("apt-get")) {
    throw new AranyaError(
      "not_found",
      `${sentence}, expected it installed or root on a Debian machine`,
    );
  }
  await withProgress(
    `installing ${options.package}`,
    () => install(options.package),
  ).catch(
    (error) => {
      throw new AranyaError(
        "not_found",
        `${sentence} and apt-get failed: ${error.message}`,
        {
          cause: error,
        },
      );
    },
  );
  const installed = await find();
  if (!installed) throw new AranyaError("not_found", sentence);
  return installed;
}

async function findIn(
  folder: string,
  program: string,
): Promise<string | undefined> {
  const path = join(folder, program);
  return await Deno.stat(path).then(() => path, () => undefined);
}

async function install(name: string): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const args = ["install", "-y", "--no-install-recommends", name];
  await withoutServices(async () => {
    const first = await tryRun("apt-get", {
      args,
      env,
      timeoutMs: INSTALL_TIMEOUT_MS,
    });
    if (first.code === 0) return;
    await run("apt-get", {
      args: ["update"],
      env,
      timeoutMs: INSTALL_TIMEOUT_MS,
    });
    await run("apt-get", { args, env, timeoutMs: INSTALL_TIMEOUT_MS });
  });
}

/**
 * Keeps packages from starting their services while `work` runs, as Debian's tools for images do.
 */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  const ours = await Deno.writeTextFile(POLICY, "#!/bin/sh\nexit 101\n", {
    createNew: true,
    mode: 0o755,
  }).then(() => true, (error) => {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  });
  try {
    await work();
  } finally {
    if (ours) await Deno.remove(POLICY);
  }
}

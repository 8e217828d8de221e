// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { buildInfraProgram } from "../../../lib/agent/runtime/infra_program.ts";

Deno.test("buildInfraProgram() builds one page at most for each architecture", () => {
  for (const arch of ["amd64", "arm64", "arm"]) {
    assert.ok(buildInfraProgram(arch).length < 300);
  }
  assert.throws(() => buildInfraProgram("riscv64"), { code: "unsupported" });
});

Deno.test("the infra program runs on this machine and exits at SIGTERM", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const arch = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
    await Deno.writeFile(`${folder}/infra`, buildInfraProgram(arch), {
      mode: 0o755,
    });
    await Deno.chmod(`${folder}/infra`, 0o755);
    const child = new Deno.Command(`${folder}/infra`).spawn();
    child.kill("SIGCHLD");
    child.kill("SIGTERM");
    // A signal that arrives before it is blocked ends the program by its default action.
    const { code, signal } = await child.status;
    assert.ok(code === 0 || signal === "SIGTERM");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { buildInfraProgram } from "../../../lib/agent/runtime/infra_program.ts";

const ARCHITECTURES = [
  { arch: "amd64", bits: 64, machine: 62, phoff: 64, start: 0x400078 },
  { arch: "arm64", bits: 64, machine: 183, phoff: 64, start: 0x400078 },
  { arch: "arm", bits: 32, machine: 40, phoff: 52, start: 0x400054 },
];

Deno.test("buildInfraProgram() writes a static program for each architecture", () => {
  for (const { arch, bits, machine, phoff, start } of ARCHITECTURES) {
    const file = buildInfraProgram(arch);
    const view = new DataView(file.buffer);
    const le = true;
    assert.equal(view.getUint32(0), 0x7f454c46, arch);
    assert.equal(view.getUint8(4), bits / 32);
    assert.equal(view.getUint16(16, le), 2, "an executable");
    assert.equal(view.getUint16(18, le), machine);
    assert.equal(view.getUint32(24, le), start, "entry point");
    assert.equal(view.getUint32(bits === 64 ? 32 : 28, le), phoff);
    const sizeAt = phoff + (bits === 64 ? 32 : 16);
    assert.equal(view.getUint32(sizeAt, le), file.length, "all is mapped");
    assert.ok(file.length < 300);
  }
});

Deno.test("buildInfraProgram() waits on this machine and ends at SIGTERM", async () => {
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
    // Had the signal come before it was blocked, its default would have ended the program too, with that signal.
    const { code, signal } = await child.status;
    assert.ok(code === 0 || signal === "SIGTERM");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("buildInfraProgram() refuses an architecture that it does not know", () => {
  for (const arch of ["riscv64", "toString"]) {
    assert.throws(() => buildInfraProgram(arch), { code: "unsupported" });
  }
});

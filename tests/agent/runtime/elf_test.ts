// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { buildElf } from "../../../lib/agent/runtime/elf.ts";

const BODY = { amd64: ["0f05", "90"], arm64: ["1f2003d5"], arm: ["00f020e3"] };
const LITTLE_ENDIAN = true;

for (
  const { arch, bits, machine, phoff, entry, bodyBytes } of [
    {
      arch: "amd64",
      bits: 64,
      machine: 62,
      phoff: 64,
      entry: 0x400078,
      bodyBytes: 3,
    },
    {
      arch: "arm64",
      bits: 64,
      machine: 183,
      phoff: 64,
      entry: 0x400078,
      bodyBytes: 4,
    },
    {
      arch: "arm",
      bits: 32,
      machine: 40,
      phoff: 52,
      entry: 0x400054,
      bodyBytes: 4,
    },
  ]
) {
  Deno.test(`buildElf() writes the headers of a static program for ${arch}`, () => {
    const file = buildElf(arch, BODY);
    const view = new DataView(file.buffer, file.byteOffset);
    assert.equal(view.getUint32(0), 0x7f454c46, "magic");
    assert.equal(view.getUint8(4), bits / 32, "class");
    assert.equal(view.getUint16(16, LITTLE_ENDIAN), 2, "an executable");
    assert.equal(view.getUint16(18, LITTLE_ENDIAN), machine);
    assert.equal(view.getUint32(24, LITTLE_ENDIAN), entry, "entry point");
    assert.equal(
      view.getUint32(bits === 64 ? 32 : 28, LITTLE_ENDIAN),
      phoff,
      "offset of the program header",
    );
    const fileSizeAt = phoff + (bits === 64 ? 32 : 16);
    assert.equal(
      view.getUint32(fileSizeAt, LITTLE_ENDIAN),
      file.length,
      "the whole file is mapped",
    );
    assert.equal(file.length, (entry - 0x400000) + bodyBytes);
  });
}

Deno.test("buildElf() puts the body of the architecture after the headers", () => {
  assert.deepEqual(
    buildElf("amd64", BODY).slice(-3),
    Uint8Array.of(0x0f, 0x05, 0x90),
  );
});

Deno.test("buildElf() throws for an architecture without code", () => {
  for (const arch of ["riscv64", "toString"]) {
    assert.throws(() => buildElf(arch, BODY), {
      code: "unsupported",
      message:
        `Cannot build infra image for architecture "${arch}": unsupported, expected one of amd64, arm64, arm`,
    });
  }
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type AddressRange,
  formatIPv4,
  overlaps,
  parseCidr,
} from "../../../lib/operator/fleet/cidr.ts";

function mustParse(text: string): AddressRange {
  const range = parseCidr(text);
  assert.ok(range, `${text} is not a range`);
  return range;
}

Deno.test("parseCidr() returns first and last address of both families", () => {
  assert.deepEqual(parseCidr("100.64.0.77/26"), {
    family: 4,
    first: 0x64400040n,
    last: 0x6440007fn,
  });
  assert.deepEqual(parseCidr("fd00::1:0/112"), {
    family: 6,
    first: 0xfd00_0000_0000_0000_0000_0000_0001_0000n,
    last: 0xfd00_0000_0000_0000_0000_0000_0001_ffffn,
  });
  assert.equal(parseCidr("::ffff:10.0.0.1/128")?.first, 0xffff_0a00_0001n);
});

Deno.test("parseCidr() returns undefined for text that is not a range", () => {
  for (const text of ["", "10.0.0.0", "10.0.0.0/33", "edge/8", "1.2.3/8"]) {
    assert.equal(parseCidr(text), undefined, text);
  }
});

Deno.test("overlaps() is true for a range within another, false between families", () => {
  const wide = mustParse("10.0.0.0/8");
  assert.equal(overlaps(wide, mustParse("10.200.7.0/26")), true);
  assert.equal(
    overlaps(mustParse("10.0.1.0/24"), mustParse("10.0.2.0/24")),
    false,
  );
  assert.equal(overlaps(wide, mustParse("::/0")), false);
});

Deno.test("formatIPv4() writes the four bytes of an address", () => {
  for (const text of ["0.0.0.0", "10.0.0.1", "100.127.255.192"]) {
    assert.equal(formatIPv4(mustParse(`${text}/32`).first), text);
  }
});

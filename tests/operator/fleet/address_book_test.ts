// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { PodAddressBook } from "../../../lib/operator/fleet/address_book.ts";
import {
  type AddressRange,
  overlaps,
  parseCidr,
} from "../../../lib/operator/fleet/cidr.ts";

function mustParse(text: string): AddressRange {
  const range = parseCidr(text);
  assert.ok(range, `${text} is not a range`);
  return range;
}

function createBook(foreign: { owner: string; cidr: string }[] = []) {
  const book = new PodAddressBook({ seed: "home" });
  for (const { owner, cidr } of foreign) book.setForeignRange(owner, cidr);
  return book;
}

Deno.test("claim() picks a /26 of 100.64.0.0/10, another for each device, the same on each call", () => {
  const book = createBook();
  const picked = ["a", "b", "c"].map((name) =>
    book.claim(name, {})?.cidr ?? ""
  );
  assert.equal(new Set(picked).size, 3);
  for (const cidr of picked) {
    assert.match(cidr, /\/26$/);
    assert.ok(overlaps(mustParse("100.64.0.0/10"), mustParse(cidr)));
  }
  assert.equal(book.claim("b", {})?.cidr, picked[1]);
});

Deno.test("claim() keeps the previous range unless another owner has it now", () => {
  const previous = "100.64.9.0/26";
  assert.equal(createBook().claim("a", { previous })?.cidr, previous);
  const taken = createBook([{ owner: "other/b", cidr: previous }]);
  assert.notEqual(taken.claim("a", { previous })?.cidr, previous);
});

Deno.test("claim() takes an assigned range and names the overlapping owner while the overlap lasts", () => {
  const book = createBook();
  book.claim("a", { assigned: "10.1.0.0/24" });
  const range = { assigned: "10.1.0.64/26" };
  assert.deepEqual(book.claim("b", range), {
    cidr: "10.1.0.64/26",
    overlapsWith: "a",
  });
  assert.equal(book.claim("b", range)?.overlapsWith, "a");
  book.release("a");
  assert.equal(book.claim("b", range)?.overlapsWith, undefined);
});

Deno.test("claim() finds an overlap with a much wider range, in both directions", () => {
  const book = createBook([{ owner: "other/x", cidr: "10.0.0.0/8" }]);
  const assigned = "10.9.0.0/26";
  assert.equal(book.claim("a", { assigned })?.overlapsWith, "other/x");
  book.setForeignRange("other/x", undefined);
  assert.equal(book.claim("a", { assigned })?.overlapsWith, undefined);
  assert.equal(book.claim("b", { assigned: "10.0.0.0/8" })?.overlapsWith, "a");
});

Deno.test("claim() picks a range clear of other operators' devices", () => {
  const cidr = createBook().claim("a", {})?.cidr ?? "";
  const other = createBook([{ owner: "other/x", cidr }]).claim("a", {})?.cidr ??
    "";
  assert.equal(overlaps(mustParse(cidr), mustParse(other)), false);
});

Deno.test("claim() returns undefined while the pool is used up, and a range when one is free again", () => {
  const book = createBook([{ owner: "node x", cidr: "100.64.0.0/10" }]);
  assert.equal(book.claim("a", {}), undefined);
  const assigned = "10.1.0.0/26";
  assert.equal(book.claim("a", { assigned })?.cidr, assigned);
  assert.equal(book.claim("b", {}), undefined);
  book.setForeignRange("node x", undefined);
  assert.match(book.claim("b", {})?.cidr ?? "", /^100\./);
});

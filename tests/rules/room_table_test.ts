// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { TABLE_PAGE, withRoomTable } from "../../dev/rules/room_table.ts";

Deno.test("docs/architecture.md has the room table that `deno task rooms` writes", async () => {
  const page = await Deno.readTextFile(TABLE_PAGE);
  assert.equal(page, withRoomTable(page));
});

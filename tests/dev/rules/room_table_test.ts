// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  renderRoomTable,
  withRoomTable,
} from "../../../dev/rules/room_table.ts";
import { ROOMS } from "../../../dev/rules/rooms.ts";

Deno.test("renderRoomTable() gives one row for each room, in the table's order", () => {
  const [, , ...rows] = renderRoomTable().split("\n");
  assert.deepEqual(
    rows.map((row) => row.match(/^\| \[`([^`]+)`\]/)?.[1]),
    [...ROOMS.keys()],
  );
  assert.ok(rows.includes(
    "| [`agent/docker`](../lib/agent/docker/mod.ts) | Docker Engine API client | shared/base | `Deno.connect` |",
  ));
});

Deno.test("withRoomTable() replaces what stands between the markers", () => {
  const page = "a\n<!-- rooms -->\nold\nold\n<!-- /rooms -->\nb\n";
  assert.equal(
    withRoomTable(page),
    `a\n<!-- rooms -->\n${renderRoomTable()}\n<!-- /rooms -->\nb\n`,
  );
  assert.equal(withRoomTable(withRoomTable(page)), withRoomTable(page));
});

Deno.test("withRoomTable() throws unless each marker stands there once", () => {
  for (
    const page of [
      "a\n",
      "<!-- rooms -->\n",
      "<!-- /rooms -->\n<!-- rooms -->\n",
      "<!-- rooms -->\n<!-- /rooms -->\n<!-- rooms -->\n<!-- /rooms -->\n",
    ]
  ) assert.throws(() => withRoomTable(page), /Cannot write the room table/);
});

// SPDX-License-Identifier: Apache-2.0
/** `deno task rooms`: writes the room table of dev/rules/rooms.ts into docs/architecture.md. */
import { TABLE_PAGE, withRoomTable } from "./rules/room_table.ts";

if (import.meta.main) {
  const page = await Deno.readTextFile(TABLE_PAGE);
  await Deno.writeTextFile(TABLE_PAGE, withRoomTable(page));
}

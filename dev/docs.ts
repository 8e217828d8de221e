// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task docs`: lists what a room exports without a docstring: symbols behind
 * `lib/<room>/mod.ts`, and methods of exported classes and interfaces. `deno doc --lint` would also
 * ask for one at each field, and for exports of every type in a signature.
 */
import { join, ROOT } from "./base/paths.ts";
import { print, warn } from "./base/terminal.ts";
import { run } from "./base/run.ts";
import { findUndocumented, type RoomDocs, toRoomDocs } from "./rules/docs.ts";
import { ROOMS } from "./rules/rooms.ts";

/** Rooms that are read at the same time; each is one process. */
const CONCURRENCY = 4;

async function readRoomDocs(room: string): Promise<RoomDocs> {
  const text = await run(Deno.execPath(), {
    args: ["doc", "--json", join(ROOT, "lib", room, "mod.ts")],
    env: { NO_COLOR: "1" },
  });
  return toRoomDocs(room, JSON.parse(text));
}

if (import.meta.main) {
  const rooms = ROOMS.keys();
  const missing: string[] = [];
  await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
    for (const room of rooms) {
      missing.push(...findUndocumented(await readRoomDocs(room)));
    }
  }));
  for (const line of missing.sort()) warn(`no docstring: ${line}`);
  if (missing.length > 0) Deno.exit(1);
  print(`Every export of ${ROOMS.size} rooms has its docstring.`);
}

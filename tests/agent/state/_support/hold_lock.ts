// SPDX-License-Identifier: Apache-2.0
/**
 * Program that locks the state directory given and holds the lock until it is killed, for at most a
 * minute.
 */
import { lockStateDir } from "../../../../lib/agent/state/mod.ts";

const write = (text: string) =>
  Deno.stdout.write(new TextEncoder().encode(text));
await lockStateDir(Deno.args[0] ?? "", {
  signal: new AbortController().signal,
  onWait: () => void write("waiting\n"),
});
await write("locked\n");
setTimeout(() => {}, 60_000);

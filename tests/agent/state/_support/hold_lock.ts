// SPDX-License-Identifier: Apache-2.0
/** Takes the lock of the state directory given, says so, and holds it until it is killed. */
import { lockStateDir } from "../../../../lib/agent/state/mod.ts";

const say = (text: string) => Deno.stdout.write(new TextEncoder().encode(text));
await lockStateDir(Deno.args[0] ?? "", {
  signal: new AbortController().signal,
  onWait: () => void say("waits\n"),
});
await say("holds\n");
setInterval(() => {}, 60_000);

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";

const MODULE = new URL(
  "../../../lib/shared/base/last_resort.ts",
  import.meta.url,
);

/** What ends a process: an exception of a timer, of an event, of a socket, and a rejection. */
const SCRIPT = `
import { EventEmitter } from "node:events";
import { connect } from "node:net";
import { onStrayError } from "${MODULE}";
const texts = [];
onStrayError((error) => {
  texts.push(error.message.split(" ")[0]);
  if (texts.length < 4) return;
  console.log(texts.sort().join());
  Deno.exit(0);
});
setTimeout(() => { throw new Error("timer"); });
setTimeout(() => new EventEmitter().emit("error", new Error("event")));
connect(1, "127.0.0.1");
Promise.reject(new Error("promise"));
`;

Deno.test("onStrayError() keeps the process running", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", SCRIPT],
  }).output();
  const text = new TextDecoder().decode(stdout).trim();
  assert.deepEqual([code, text], [0, "connect,event,promise,timer"]);
});

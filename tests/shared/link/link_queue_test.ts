// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Link } from "../../../lib/shared/link/mod.ts";
import { createLinkQueue } from "../../../lib/shared/link/link_queue.ts";
import { createLinkPair } from "../noise/_support/link_pair.ts";

const newLink = (): Link => createLinkPair().initiator;

Deno.test("createLinkQueue() gives links in order, up to its bound", async () => {
  const queue = createLinkQueue(2);
  const [first, second] = [newLink(), newLink()];
  assert.ok(queue.push(first) && queue.push(second));
  assert.equal(queue.push(newLink()), false);
  const links = queue.links[Symbol.asyncIterator]();
  assert.equal((await links.next()).value, first);
  assert.equal((await links.next()).value, second);
});

Deno.test("createLinkQueue() leaves out links that ended while they waited", async () => {
  const queue = createLinkQueue(1);
  const gone = newLink();
  queue.push(gone);
  gone.close("gone");
  await gone.closed;
  const link = newLink();
  assert.ok(queue.push(link));
  assert.equal(
    (await queue.links[Symbol.asyncIterator]().next()).value,
    link,
  );
});

Deno.test("createLinkQueue() ends a reader that waits", async () => {
  const queue = createLinkQueue(1);
  const next = queue.links[Symbol.asyncIterator]().next();
  queue.end();
  assert.deepEqual(await next, { done: true, value: undefined });
  assert.equal(queue.push(newLink()), false);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Link } from "../../../lib/shared/link/mod.ts";
import { LinkQueue } from "../../../lib/shared/link/link_queue.ts";
import { createLinkPair } from "../noise/_support/link_pair.ts";

const newLink = (): Link => createLinkPair().initiator;

Deno.test("LinkQueue returns links in order, up to its limit", async () => {
  const queue = new LinkQueue(2);
  const [first, second] = [newLink(), newLink()];
  assert.ok(queue.push(first) && queue.push(second));
  assert.equal(queue.push(newLink()), false);
  const links = queue.links[Symbol.asyncIterator]();
  assert.equal((await links.next()).value, first);
  assert.equal((await links.next()).value, second);
});

Deno.test("LinkQueue drops links that ended before they were read", async () => {
  const queue = new LinkQueue(1);
  const closed = newLink();
  queue.push(closed);
  closed.close("done");
  await closed.closed;
  const link = newLink();
  assert.ok(queue.push(link));
  assert.equal(
    (await queue.links[Symbol.asyncIterator]().next()).value,
    link,
  );
});

Deno.test("LinkQueue.end() ends a waiting reader", async () => {
  const queue = new LinkQueue(1);
  const next = queue.links[Symbol.asyncIterator]().next();
  queue.end();
  assert.deepEqual(await next, { done: true, value: undefined });
  assert.equal(queue.push(newLink()), false);
});

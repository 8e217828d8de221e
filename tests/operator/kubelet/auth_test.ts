// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import {
  type AccessQuestion,
  KubeletAuth,
} from "../../../lib/operator/kubelet/auth.ts";
import { isOverloaded } from "../../../lib/operator/kubelet/review_pool.ts";

function makeAuth() {
  let nowMs = 0;
  const asked: string[] = [];
  const auth = new KubeletAuth({
    reviewToken: (token) => {
      asked.push(token);
      const user = { name: token, groups: [] };
      return Promise.resolve(token === "bad" ? undefined : user);
    },
    reviewAccess: ({ user, subresource }) => {
      asked.push(`${user.name} ${subresource}`);
      return Promise.resolve(user.name === "admin");
    },
    clock: { ...SYSTEM_CLOCK, monotonicMs: () => nowMs },
  });
  return { auth, asked, pass: (ms: number) => void (nowMs += ms) };
}

function question(name: string): AccessQuestion {
  const user = { name, groups: [] };
  return { user, verb: "get", subresource: "proxy", node: "edge-1" };
}

Deno.test("KubeletAuth.authenticateToken() caches valid and invalid tokens for two minutes", async () => {
  const { auth, asked, pass } = makeAuth();
  for (const token of ["good", "bad", "good", "bad"]) {
    await auth.authenticateToken(token);
  }
  pass(119_000);
  assert.equal((await auth.authenticateToken("good"))?.name, "good");
  assert.equal(await auth.authenticateToken("bad"), undefined);
  assert.deepEqual(asked, ["good", "bad"]);
  pass(2_000);
  await auth.authenticateToken("good");
  assert.equal(asked.length, 3);
});

Deno.test("KubeletAuth.authorize() caches allowed for five minutes and denied for thirty seconds", async () => {
  const { auth, asked, pass } = makeAuth();
  assert.equal(await auth.authorize(question("admin")), true);
  assert.equal(await auth.authorize(question("eve")), false);
  pass(31_000);
  await auth.authorize(question("admin"));
  await auth.authorize(question("eve"));
  assert.deepEqual(asked, ["admin proxy", "eve proxy", "eve proxy"]);
  pass(270_000);
  await auth.authorize(question("admin"));
  assert.equal(asked.length, 4);
});

Deno.test("KubeletAuth.authorize() reviews each node, verb, subresource and group separately", async () => {
  const { auth, asked } = makeAuth();
  const base = question("admin");
  await auth.authorize(base);
  await auth.authorize({ ...base, node: "edge-2" });
  await auth.authorize({ ...base, verb: "create" });
  await auth.authorize({ ...base, subresource: "stats" });
  await auth.authorize({ ...base, user: { name: "admin", groups: ["x"] } });
  assert.equal(asked.length, 5);
});

Deno.test("KubeletAuth.authenticateToken() reviews at most four tokens at a time", async () => {
  let runningCount = 0;
  let maxCount = 0;
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const auth = new KubeletAuth({
    reviewToken: async () => {
      maxCount = Math.max(maxCount, ++runningCount);
      await ready;
      runningCount--;
      return undefined;
    },
    reviewAccess: () => Promise.resolve(false),
  });
  const reviews = Array.from(
    { length: 60 },
    (_, index) => auth.authenticateToken(`made-up-${index}`),
  );
  await Promise.resolve();
  resolve();
  await Promise.all(reviews);
  assert.equal(maxCount, 4);
});

Deno.test("KubeletAuth.authenticateToken() keeps valid tokens whatever invalid ones come", async () => {
  const asked: string[] = [];
  const many = new KubeletAuth({
    reviewToken: (token) => {
      asked.push(token);
      return Promise.resolve(
        token === "good" ? { name: "good", groups: [] } : undefined,
      );
    },
    reviewAccess: () => Promise.resolve(false),
  });
  await many.authenticateToken("good");
  for (let index = 0; index < 5000; index++) {
    await many.authenticateToken(`bad-${index}`);
  }
  asked.length = 0;
  await many.authenticateToken("good");
  assert.deepEqual(asked, []);
});

Deno.test("KubeletAuth.authenticateToken() keeps invalid tokens whatever valid ones come", async () => {
  const { auth, asked } = makeAuth();
  await auth.authenticateToken("bad");
  for (let index = 0; index < 1_100; index++) {
    await auth.authenticateToken(`good-${index}`);
  }
  asked.length = 0;
  await auth.authenticateToken("bad");
  assert.deepEqual(asked, []);
});

Deno.test("KubeletAuth shares out waiting reviews between networks, and between users", async () => {
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const auth = new KubeletAuth({
    reviewToken: async (token) => {
      await ready;
      return { name: token, groups: [] };
    },
    reviewAccess: async () => {
      await ready;
      return true;
    },
  });
  const isOverload = (error: unknown) => isOverloaded(error) ? "refused" : "";
  const many = [
    ...Array.from(
      { length: 64 },
      (_unused, index) =>
        auth.authenticateToken(`many-${index}`, { source: "10.0.0.0/24" }),
    ),
    ...Array.from(
      { length: 256 },
      (_unused, index) =>
        auth.authorize({ ...question("many"), node: `edge-${index}` }),
    ),
  ].map((review) => review.catch(isOverload));
  const token = auth.authenticateToken("one", { source: "10.0.1.0/24" });
  const access = auth.authorize({ ...question("one"), node: "edge-x" });
  resolve();
  assert.equal((await token)?.name, "one");
  assert.equal(await access, true);
  const results = await Promise.all(many);
  // The oldest of each ran already: it has only lost its place.
  assert.ok(results.every((result) => result !== ""));
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { PodClient } from "../../../lib/operator/pods/pod_client.ts";
import { type KubeClient, POD } from "../../../lib/operator/kube/mod.ts";

const REF = { namespace: "ns", name: "web" };
const TOKEN = { method: "POST", path: "/token", action: "create token" };

/** Opens a client whose calls end one by one, when the test ends them. */
function open() {
  const running: { name: string; end: (result: unknown) => void }[] = [];
  const call = (name: string) => () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    running.push({ name, end: resolve });
    return promise;
  };
  const client = new PodClient({
    find: call("find"),
    patch: call("patch"),
    delete: call("delete"),
    request: call("request"),
  } as unknown as KubeClient);
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  /** Ends the oldest running call. */
  const endOne = async (result?: unknown) => {
    await settle();
    running.shift()?.end(result);
    await settle();
  };
  return { client, running, settle, endOne };
}

Deno.test("PodClient runs at most 12 calls of all devices, those about pods before tokens", async () => {
  const { client, running, settle, endOne } = open();
  const tokens = Array.from(
    { length: 40 },
    () => client.request({ ...TOKEN, method: "POST" }),
  );
  await settle();
  assert.equal(running.length, 12);
  const status = client.patch(POD, REF, { body: {} });
  const deletion = client.delete(POD, REF);
  const read = client.find(POD, REF);
  await settle();
  assert.equal(running.length, 12);
  for (let count = 0; count < 3; count++) await endOne("token");
  assert.deepEqual(running.slice(-3).map(({ name }) => name), [
    "patch",
    "delete",
    "find",
  ]);
  await endOne("token");
  assert.equal(running.at(-1)?.name, "request");
  while (running.length > 0) await endOne("done");
  assert.deepEqual(await Promise.all([status, deletion, read]), [
    "done",
    "done",
    "done",
  ]);
  assert.equal((await Promise.all(tokens)).length, 40);
});

Deno.test("PodClient drops a waiting call when it is aborted", async () => {
  const { client, running, settle, endOne } = open();
  const calls = Array.from({ length: 12 }, () => client.find(POD, REF));
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = [
    client.find(POD, REF, { signal }),
    client.patch(POD, REF, { body: {}, signal }),
    client.delete(POD, REF, { signal }),
    client.request({ ...TOKEN, method: "POST", signal }),
  ];
  await settle();
  controller.abort(new Error("enough"));
  for (const call of aborted) await assert.rejects(call, /enough/);
  while (running.length > 0) await endOne();
  await Promise.all(calls);
});

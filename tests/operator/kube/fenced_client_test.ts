// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { CONFIG_MAP, FencedClient } from "../../../lib/operator/kube/mod.ts";
import { until } from "../../../dev/base/wait.ts";
import { createScriptedClient } from "./_support/scripted_client.ts";
import { ScriptedServer } from "./_support/scripted_server.ts";

/** A leadership that the test suspends and ends. */
class Fence {
  isSuspended = false;
  readonly #lost = new AbortController();
  #listener: ((isSuspended: boolean) => void) | undefined;

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  onSuspensionChange(listener: (isSuspended: boolean) => void): () => void {
    this.#listener = listener;
    return () => this.#listener = undefined;
  }

  set(isSuspended: boolean): void {
    this.isSuspended = isSuspended;
    this.#listener?.(isSuspended);
  }

  lose(): void {
    this.isSuspended = true;
    this.#lost.abort();
  }
}

const REF = { namespace: "edge", name: "one" };
const PATCH = { body: { data: {} } };

async function withClient(
  work: (
    parts: { server: ScriptedServer; fence: Fence; client: FencedClient },
  ) => Promise<void>,
): Promise<void> {
  await using server = await ScriptedServer.start();
  await using below = await createScriptedClient(server);
  const fence = new Fence();
  await using client = new FencedClient(below, fence);
  await work({ server, fence, client });
}

/** Returns whether the promise is still pending after everything that can run has run. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  promise.then(() => isSettled = true, () => isSettled = true);
  await setImmediate();
  return !isSettled;
}

Deno.test("FencedClient passes calls on while leadership lasts", async () => {
  await withClient(async ({ server, client }) => {
    const methods: (string | undefined)[] = [];
    server.script = ({ method }, response) => {
      methods.push(method);
      response.end("{}");
    };
    await client.get(CONFIG_MAP, REF);
    await client.find(CONFIG_MAP, REF);
    await client.list(CONFIG_MAP);
    await client.create(CONFIG_MAP, { metadata: REF });
    await client.replace(CONFIG_MAP, { metadata: REF });
    await client.patch(CONFIG_MAP, REF, PATCH);
    await client.delete(CONFIG_MAP, REF);
    await client.request({ method: "POST", path: "/x", action: "post x" });
    await client.version();
    assert.deepEqual(
      methods.join(" "),
      "GET GET GET POST PUT PATCH DELETE POST GET",
    );
  });
});

Deno.test("FencedClient ends a write that is under way when leadership is suspended", async () => {
  await withClient(async ({ server, fence, client }) => {
    server.script = () => {};
    const writing = client.patch(CONFIG_MAP, REF, PATCH);
    await until(() => server.requests === 1, "the write");
    fence.set(true);
    await assert.rejects(writing, {
      code: "unavailable",
      message: 'Cannot patch configmaps "edge/one": leadership was suspended',
    });
  });
});

Deno.test("FencedClient lets calls wait during a suspension; writes then fail, reads are made", async () => {
  await withClient(async ({ server, fence, client }) => {
    fence.set(true);
    const writes = [
      client.patch(CONFIG_MAP, REF, PATCH),
      client.request({ method: "POST", path: "/x", action: "post x" }),
    ];
    const reading = client.find(CONFIG_MAP, REF);
    for (const call of [...writes, reading]) assert.ok(await isPending(call));
    await client.list(CONFIG_MAP);
    assert.equal(server.requests, 1);
    fence.set(false);
    for (const write of writes) {
      await assert.rejects(write, {
        code: "unavailable",
        message: /leadership was suspended meanwhile$/,
      });
    }
    await reading;
    await client.patch(CONFIG_MAP, REF, PATCH);
    assert.equal(server.requests, 3);
  });
});

Deno.test("FencedClient does not write when the suspension was not reported yet", async () => {
  await withClient(async ({ server, fence, client }) => {
    fence.isSuspended = true;
    const writing = client.patch(CONFIG_MAP, REF, PATCH);
    assert.ok(await isPending(writing));
    assert.equal(server.requests, 0);
    fence.set(false);
    await assert.rejects(writing, { code: "unavailable" });
  });
});

Deno.test("FencedClient ends a wait when the caller's signal is aborted", async () => {
  await withClient(async ({ fence, client }) => {
    fence.set(true);
    const stop = new AbortController();
    const { signal } = stop;
    const writing = client.patch(CONFIG_MAP, REF, { ...PATCH, signal });
    stop.abort(new TypeError("enough"));
    await assert.rejects(writing, /enough/);
  });
});

Deno.test("FencedClient refuses all writes once leadership is lost", async () => {
  await withClient(async ({ server, fence, client }) => {
    fence.set(true);
    const waiting = client.patch(CONFIG_MAP, REF, PATCH);
    fence.lose();
    const refused = {
      code: "unavailable",
      message: /this operator no longer leads$/,
    };
    await assert.rejects(waiting, refused);
    await assert.rejects(client.delete(CONFIG_MAP, REF), refused);
    assert.equal(server.requests, 0);
  });
});

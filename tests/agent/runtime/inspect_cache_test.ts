// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import type { ContainerListItem } from "../../../lib/agent/docker/mod.ts";
import { InspectCache } from "../../../lib/agent/runtime/inspect_cache.ts";
import { FakeDockerClient } from "./_support/fake_docker_client.ts";

/** A cache over containers with these states, and what was inspected since the last call. */
function createFixture(states: Record<string, string>) {
  const failures = new Map<string, AranyaError>();
  const client = new FakeDockerClient({
    respond({ path }) {
      const id = path.split("/")[2] ?? "";
      const failure = failures.get(id);
      if (failure) throw failure;
      return { Id: id, State: { Status: states[id] } };
    },
  });
  const cache = new InspectCache({ client, log: SILENT_LOGGER });
  const list = (): ContainerListItem[] =>
    Object.entries(states).map(([Id, State]) => ({
      Id,
      ImageID: "",
      State,
      Labels: {},
    }));
  return {
    cache,
    failures,
    /** Lists all, and returns the ids that were inspected. */
    async inspect(): Promise<string[]> {
      client.calls.length = 0;
      await cache.inspectAll(list());
      return client.calls.map((call) => call.split("/")[2] ?? "");
    },
    list,
    states,
  };
}

Deno.test("InspectCache.inspectAll() inspects a container again only when its state has changed", async () => {
  const fixture = createFixture({ a: "running", b: "exited" });
  assert.deepEqual(await fixture.inspect(), ["a", "b"]);
  assert.deepEqual(await fixture.inspect(), []);
  fixture.states["a"] = "exited";
  assert.deepEqual(await fixture.inspect(), ["a"]);
});

Deno.test("InspectCache.inspectAll() always inspects created containers", async () => {
  const fixture = createFixture({ a: "created" });
  await fixture.inspect();
  assert.deepEqual(await fixture.inspect(), ["a"]);
});

Deno.test("InspectCache.invalidate() and invalidateAll() let containers be inspected once more", async () => {
  const fixture = createFixture({ a: "running", b: "running" });
  await fixture.inspect();
  fixture.cache.invalidate("b");
  assert.deepEqual(await fixture.inspect(), ["b"]);
  assert.deepEqual(await fixture.inspect(), []);
  fixture.cache.invalidateAll();
  assert.deepEqual(await fixture.inspect(), ["a", "b"]);
});

Deno.test("InspectCache.inspectAll() leaves out containers that were removed since the listing", async () => {
  const fixture = createFixture({ a: "running", b: "running" });
  const missing = new AranyaError("not_found", "Cannot inspect container a");
  fixture.failures.set("a", missing);
  const found = await fixture.cache.inspectAll(fixture.list());
  assert.deepEqual(found.map(({ Id }) => Id), ["b"]);
});

Deno.test("InspectCache.inspectAll() inspects a container again after an error", async () => {
  const fixture = createFixture({ a: "running" });
  await fixture.inspect();
  fixture.cache.invalidate("a");
  const failure = new AranyaError("unavailable", "Cannot inspect container a");
  fixture.failures.set("a", failure);
  await assert.rejects(fixture.inspect(), { code: "unavailable" });
  fixture.failures.clear();
  assert.deepEqual(await fixture.inspect(), ["a"]);
});

Deno.test("InspectCache.inspectAll() returns a container that can't be inspected as it is listed, beside the others", async () => {
  const fixture = createFixture({ a: "exited", b: "running" });
  const failure = new AranyaError(
    "internal",
    "Cannot inspect container a: RWLayer of container a is unexpectedly nil",
  );
  fixture.failures.set("a", failure);
  for (let round = 0; round < 2; round++) {
    const found = await fixture.cache.inspectAll(fixture.list());
    assert.deepEqual(found.map(({ Id, State }) => [Id, State.Status]), [
      ["a", "exited"],
      ["b", "running"],
    ]);
    assert.equal(found[0]?.State.Error, failure.message);
    assert.equal(found[0]?.State.ExitCode, 137);
  }
});

Deno.test("InspectCache.inspectAll() returns the end of a container to each of two concurrent calls", async () => {
  const fixture = createFixture({ a: "running" });
  await fixture.inspect();
  // The listing lags behind the event.
  const lagging = fixture.list();
  fixture.states["a"] = "exited";
  fixture.cache.invalidate("a");
  const both = await Promise.all([
    fixture.cache.inspectAll(lagging),
    fixture.cache.inspectAll(lagging),
  ]);
  const states = both.map(([inspect]) => inspect?.State.Status);
  assert.deepEqual(states, ["exited", "exited"]);
});

Deno.test("InspectCache keeps no id of a container that was removed between two calls", async () => {
  const fixture = createFixture({ a: "running", b: "running" });
  await fixture.inspect();
  delete fixture.states["a"];
  fixture.cache.invalidate("a");
  await fixture.inspect();
  assert.equal(fixture.cache.staleCount, 0);
});

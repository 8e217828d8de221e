// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { parseAgentConfig } from "../../lib/shared/config/mod.ts";
import { ConfigFile } from "../../lib/agent/config_file.ts";
import { EndpointStore } from "../../lib/agent/endpoint_store.ts";
import { KEY } from "./_support/agent_fixture.ts";
import { RecordedLog } from "./_support/recorded_log.ts";
import { TemporaryStore } from "./_support/temporary_store.ts";

/** A device with agent.yaml and state; the agent may be started several times. */
class StoreFixture implements AsyncDisposable {
  readonly log = new RecordedLog();
  readonly #state: TemporaryStore;

  private constructor(state: TemporaryStore) {
    this.#state = state;
  }

  static async create(endpoints: string[]): Promise<StoreFixture> {
    const fixture = new StoreFixture(await TemporaryStore.open());
    const lines = endpoints.map((endpoint) => `  - ${endpoint}\n`).join("");
    const credential = btoa(String.fromCharCode(...KEY));
    await Deno.writeTextFile(
      fixture.path,
      `device: edge-1\nendpoints:\n${lines}credential: ${credential}\n`,
    );
    return fixture;
  }

  get path(): string {
    return `${this.#state.dir}/agent.yaml`;
  }

  /** Starts the agent. */
  async open(): Promise<EndpointStore> {
    return await EndpointStore.open({
      endpoints: await this.read(),
      configFile: new ConfigFile(this.path),
      store: this.#state.store,
      log: this.log.logger,
    });
  }

  /** Returns the endpoints in agent.yaml. */
  async read(): Promise<string[]> {
    const text = await Deno.readTextFile(this.path);
    return parseAgentConfig(text, { file: this.path }).endpoints;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#state[Symbol.asyncDispose]();
  }
}

Deno.test("update() writes the operators' endpoints into agent.yaml, for the next start too", async () => {
  await using fixture = await StoreFixture.create(["a:1"]);
  const endpoints = await fixture.open();
  await endpoints.update(["a:1", "b:1"]);
  assert.deepEqual(endpoints.endpoints, ["a:1", "b:1"]);
  assert.deepEqual(await fixture.read(), ["a:1", "b:1"]);
  await endpoints.update(["b:1", "c:1"]);
  const next = await fixture.open();
  assert.deepEqual(next.endpoints, ["b:1", "c:1"]);
  await next.update(["c:1"]);
  assert.deepEqual(await fixture.read(), ["c:1"]);
});

Deno.test("update() keeps what the device's owner has written", async () => {
  await using fixture = await StoreFixture.create(["nat.example:443"]);
  const endpoints = await fixture.open();
  await endpoints.update(["10.0.0.1:9443"]);
  await endpoints.update(["10.0.0.2:9443"]);
  const both = ["nat.example:443", "10.0.0.2:9443"];
  assert.deepEqual(await fixture.read(), both);
  assert.deepEqual((await fixture.open()).endpoints, both.toReversed());
});

Deno.test("update() keeps the endpoint of the link until another one has worked", async () => {
  await using fixture = await StoreFixture.create(["a:1"]);
  const endpoints = await fixture.open();
  endpoints.onConnected("a:1");
  await endpoints.update(["a:1"]);
  // Perhaps with an error in it.
  await endpoints.update(["b:1"]);
  assert.deepEqual(await fixture.read(), ["a:1", "b:1"]);
  assert.deepEqual(endpoints.endpoints, ["b:1", "a:1"]);
  const next = await fixture.open();
  assert.deepEqual(next.endpoints, ["b:1", "a:1"]);
  next.onConnected("b:1");
  await next.update(["b:1"]);
  assert.deepEqual(await fixture.read(), ["b:1"]);
});

Deno.test("endpoints begins with the one that worked last", async () => {
  await using fixture = await StoreFixture.create(["a:1", "b:1", "c:1"]);
  const endpoints = await fixture.open();
  endpoints.onConnected("c:1");
  assert.deepEqual(endpoints.endpoints, ["c:1", "a:1", "b:1"]);
});

Deno.test("update() ignores an empty list and texts that are no endpoints", async () => {
  await using fixture = await StoreFixture.create(["a:1"]);
  const endpoints = await fixture.open();
  await endpoints.update([]);
  await endpoints.update(["a b", "http://x", ""]);
  assert.deepEqual(await fixture.read(), ["a:1"]);
  const many = Array.from({ length: 100 }, (_, index) => `h${index}:1`);
  await endpoints.update(many);
  assert.equal((await fixture.read()).length, 33);
});

Deno.test("update() uses endpoints that can't be written until the agent stops", async () => {
  await using fixture = await StoreFixture.create(["a:1"]);
  const endpoints = await fixture.open();
  await Deno.remove(fixture.path);
  await endpoints.update(["a:1", "b:1"]);
  assert.deepEqual(endpoints.endpoints, ["a:1", "b:1"]);
});

Deno.test("update() adopts the endpoints among other texts, and logs that there are others", async () => {
  await using fixture = await StoreFixture.create(["a:1", "a:99999"]);
  const endpoints = await fixture.open();
  await endpoints.update(["10.0.0.256:443", "b:1"]);
  assert.deepEqual(endpoints.endpoints, ["b:1", "a:1"]);
  assert.deepEqual(await fixture.read(), ["a:1", "b:1"]);
  assert.match(await Deno.readTextFile(fixture.path), /- a:99999\n/);
  assert.deepEqual(fixture.log.lines, [
    "endpoints that the operator sent are ignored",
    "operator endpoints were updated",
  ]);
});

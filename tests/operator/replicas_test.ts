// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  type Clock,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../lib/shared/base/mod.ts";
import { LEASE } from "../../lib/operator/kube/mod.ts";
import { Replicas } from "../../lib/operator/replicas.ts";
import { until } from "../../dev/base/wait.ts";
import { CountingApi } from "./_support/counting_api.ts";

/** The machine's clock, which can be moved forward. */
class MovableClock implements Clock {
  #offsetMs = 0;

  move(durationMs: number): void {
    this.#offsetMs += durationMs;
  }

  monotonicMs(): number {
    return SYSTEM_CLOCK.monotonicMs() + this.#offsetMs;
  }

  wallMs(): number {
    return SYSTEM_CLOCK.wallMs() + this.#offsetMs;
  }

  sleep(...parameters: Parameters<Clock["sleep"]>): Promise<void> {
    return SYSTEM_CLOCK.sleep(...parameters);
  }
}

/** Operators of one namespace on a real API server. */
class ReplicasFixture implements AsyncDisposable {
  readonly clock = new MovableClock();
  readonly api: CountingApi;
  readonly #stops: (() => Promise<void>)[] = [];

  private constructor(api: CountingApi) {
    this.api = api;
  }

  static async open(): Promise<ReplicasFixture> {
    return new ReplicasFixture(await CountingApi.open());
  }

  /** Starts an operator and returns it with the function that kills it. */
  start(
    identity: string,
    options: { hostAddresses: string[]; leads?: boolean },
  ): { replicas: Replicas; kill: () => Promise<void> } {
    const { hostAddresses, leads = false } = options;
    const replicas = new Replicas({
      client: this.api,
      namespace: this.api.namespace,
      name: `operator-${identity}`,
      identity,
      hostAddresses,
      front: { grpcPort: 9443 },
      log: SILENT_LOGGER,
      clock: this.clock,
      syncIntervalMs: 20,
    });
    const stop = new AbortController();
    const running = replicas.run({ leads: () => leads, signal: stop.signal })
      .catch(() => {});
    const kill = async () => {
      stop.abort();
      await running;
    };
    this.#stops.push(kill);
    return { replicas, kill };
  }

  async leaseNames(): Promise<string[]> {
    const { namespace } = this.api;
    const { items } = await this.api.list(LEASE, { namespace });
    return items.map(({ metadata }) => metadata.name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops) await stop();
    await this.api[Symbol.asyncDispose]();
  }
}

Deno.test("Replicas lists the endpoints of all operators, the same for each", async () => {
  await using fixture = await ReplicasFixture.open();
  const first = fixture.start("a", { hostAddresses: ["10.0.0.2", "fd00::2"] });
  assert.deepEqual(first.replicas.endpoints, [
    "10.0.0.2:9443",
    "[fd00::2]:9443",
  ]);
  await until(() => first.replicas.isComplete, "the first operator");
  assert.equal(first.replicas.hasOthers, false);
  let changeCount = 0;
  first.replicas.onChange(() => changeCount++);
  const second = fixture.start("b", { hostAddresses: ["10.0.0.1"] });
  const endpoints = ["10.0.0.1:9443", "10.0.0.2:9443", "[fd00::2]:9443"];
  await until(() => first.replicas.endpoints.length === 3, "the second one");
  await until(() => second.replicas.endpoints.length === 3, "the first one");
  assert.deepEqual(first.replicas.endpoints, endpoints);
  assert.deepEqual(second.replicas.endpoints, endpoints);
  assert.equal(first.replicas.hasOthers, true);
  assert.equal(changeCount, 1);
});

Deno.test("Replicas.findEndpoint() prefers the peer's address family", async () => {
  await using fixture = await ReplicasFixture.open();
  fixture.start("a", { hostAddresses: ["10.0.0.2", "fd00::2"] });
  const { replicas } = fixture.start("b", { hostAddresses: ["10.0.0.1"] });
  await until(() => replicas.endpoints.length === 3, "all endpoints");
  assert.equal(replicas.findEndpoint("a", "10.9.9.9:1"), "10.0.0.2:9443");
  assert.equal(replicas.findEndpoint("a", "[fd00::9]:1"), "[fd00::2]:9443");
  assert.equal(replicas.findEndpoint("b", "[fd00::9]:1"), "10.0.0.1:9443");
  assert.equal(replicas.findEndpoint("c", "10.9.9.9:1"), undefined);
});

Deno.test("Replicas keeps the endpoints of an operator that died for a day, but does not count it", async () => {
  await using fixture = await ReplicasFixture.open();
  const { clock } = fixture;
  const { replicas } = fixture.start("a", {
    hostAddresses: ["10.0.0.1"],
    leads: true,
  });
  const second = fixture.start("b", { hostAddresses: ["10.0.0.2"] });
  await until(() => replicas.endpoints.length === 2, "the second one");
  await second.kill();
  // Its last renewal may be seen only after the clock was put forward.
  await until(() => {
    clock.move(61_000);
    return !replicas.hasOthers;
  }, "its death");
  assert.equal(replicas.endpoints.length, 2);
  assert.equal((await fixture.leaseNames()).length, 2);
  clock.move(25 * 3_600_000);
  await until(() => replicas.endpoints.length === 1, "one endpoint");
  await until(
    async () => (await fixture.leaseNames()).join() === "operator-a",
    "one Lease",
  );
});

Deno.test("Replicas.unregister() ends the operator's life, and the next one on its host replaces it", async () => {
  await using fixture = await ReplicasFixture.open();
  const { replicas } = fixture.start("a", {
    hostAddresses: ["10.0.0.1"],
    leads: true,
  });
  const second = fixture.start("b", { hostAddresses: ["10.0.0.2"] });
  await until(() => replicas.endpoints.length === 2, "the second one");
  await second.kill();
  await second.replicas.unregister();
  await until(() => !replicas.hasOthers, "its end");
  assert.equal(replicas.endpoints.length, 2);
  fixture.start("c", { hostAddresses: ["10.0.0.2"] });
  await until(
    async () => (await fixture.leaseNames()).join() === "operator-a,operator-c",
    "the replaced Lease",
  );
  assert.equal(replicas.endpoints.length, 2);
});

Deno.test("Replicas creates its Lease again when it was deleted", async () => {
  await using fixture = await ReplicasFixture.open();
  fixture.start("a", { hostAddresses: ["10.0.0.1"] });
  const ref = { namespace: fixture.api.namespace, name: "operator-a" };
  const exists = async () => await fixture.api.find(LEASE, ref) !== undefined;
  await until(exists, "the Lease");
  await fixture.api.deleteObject(LEASE, ref);
  await until(exists, "the Lease again");
});

Deno.test("Replicas counts others while it can't read them, and lists its own endpoint", async () => {
  await using fixture = await ReplicasFixture.open();
  const error = new AranyaError("forbidden", "Cannot create leases: forbidden");
  fixture.api.failures.set("create leases", error);
  const { replicas } = fixture.start("a", { hostAddresses: ["10.0.0.1"] });
  assert.equal(replicas.hasOthers, true);
  assert.equal(replicas.isComplete, false);
  assert.deepEqual(replicas.endpoints, ["10.0.0.1:9443"]);
  fixture.api.failures.clear();
  await until(() => replicas.isComplete, "the rights");
  assert.equal(replicas.hasOthers, false);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, SILENT_LOGGER } from "../../lib/shared/base/mod.ts";
import type { Link } from "../../lib/shared/link/mod.ts";
import type { Greeting } from "../../lib/shared/session/mod.ts";
import { EndpointRace } from "../../lib/agent/endpoint_race.ts";
import { VirtualClock } from "../shared/session/_support/virtual_clock.ts";

/** How an endpoint behaves. */
interface Behaviour {
  /** Time until it answers, in milliseconds. @default 0 */
  afterMs?: number;
  /** @default "welcome" */
  answer?: "welcome" | "away" | "silence" | "refuses greeting" | {
    redirect: string;
  };
}

/** Endpoints on a virtual clock, and what happened to them. */
class RaceFixture {
  readonly clock = new VirtualClock();
  /** What happened when, e.g. "2500 open b". */
  readonly steps: string[] = [];
  readonly #behaviours: Record<string, Behaviour>;
  readonly #startMs = this.clock.monotonicMs();

  constructor(behaviours: Record<string, Behaviour>) {
    this.#behaviours = behaviours;
  }

  async run(signal = new AbortController().signal) {
    const race = new EndpointRace({
      endpoints: Object.keys(this.#behaviours).filter((name) =>
        !name.startsWith("hidden")
      ),
      connector: {
        open: (endpoint, { signal }) => this.#open(endpoint, signal),
        greet: ({ link }) => this.#greet(link),
      },
      onKnock() {},
      clock: this.clock,
      log: SILENT_LOGGER,
    });
    const result = await this.clock.run(race.run(signal));
    await this.clock.run(race.settled());
    return result.kind === "connected"
      ? result.endpoint
      : result.errors.map(({ message }) => message);
  }

  #note(text: string): void {
    this.steps.push(`${this.clock.monotonicMs() - this.#startMs} ${text}`);
  }

  async #open(endpoint: string, signal: AbortSignal) {
    const { afterMs = 0, answer = "welcome" } = this.#behaviours[endpoint] ??
      {};
    this.#note(`open ${endpoint}`);
    await this.clock.sleep(answer === "silence" ? 15_000 : afterMs, { signal });
    if (answer === "away" || answer === "silence") {
      throw new AranyaError("unavailable", `${endpoint} is away`);
    }
    if (typeof answer === "object") {
      throw new AranyaError("unavailable", `${endpoint} redirects`, {
        details: { endpoint: answer.redirect },
      });
    }
    const link = {
      peer: endpoint,
      close: () => this.#note(`close ${endpoint}`),
    } as Partial<Link> as Link;
    return { link, key: new Uint8Array(32) };
  }

  async #greet(link: Link) {
    this.#note(`greet ${link.peer}`);
    await this.clock.sleep(100);
    if (this.#behaviours[link.peer]?.answer === "refuses greeting") {
      throw new AranyaError("conflict", `${link.peer} refuses`);
    }
    return { link, greeting: {} as Greeting };
  }
}

Deno.test("EndpointRace uses the first endpoint when it answers in time", async () => {
  const fixture = new RaceFixture({ a: { afterMs: 2000 }, b: {} });
  assert.equal(await fixture.run(), "a");
  assert.deepEqual(fixture.steps, ["0 open a", "2000 greet a"]);
});

Deno.test("EndpointRace tries the next endpoint at once when one has failed", async () => {
  const fixture = new RaceFixture({
    a: { answer: "away" },
    b: { answer: "away", afterMs: 10 },
    c: {},
  });
  assert.equal(await fixture.run(), "c");
  assert.deepEqual(fixture.steps, [
    "0 open a",
    "0 open b",
    "10 open c",
    "10 greet c",
  ]);
});

Deno.test("EndpointRace does not wait for a host that vanished", async () => {
  const fixture = new RaceFixture({ a: { answer: "silence" }, b: {} });
  assert.equal(await fixture.run(), "b");
  assert.deepEqual(fixture.steps, ["0 open a", "2500 open b", "2500 greet b"]);
});

Deno.test("EndpointRace greets one operator at a time, and closes the links of the others", async () => {
  const fixture = new RaceFixture({
    a: { afterMs: 2_550 },
    b: {},
  });
  assert.equal(await fixture.run(), "b");
  assert.deepEqual(fixture.steps, [
    "0 open a",
    "2500 open b",
    "2500 greet b",
    "2600 close a",
  ]);
});

Deno.test("EndpointRace greets the next operator when one refuses the greeting", async () => {
  const fixture = new RaceFixture({
    a: { afterMs: 2_550 },
    b: { answer: "refuses greeting" },
  });
  assert.equal(await fixture.run(), "a");
  assert.deepEqual(fixture.steps.slice(2), ["2500 greet b", "2600 greet a"]);
});

Deno.test("EndpointRace follows redirects, and tries no endpoint twice", async () => {
  const known = new RaceFixture({ a: { answer: { redirect: "b" } }, b: {} });
  assert.equal(await known.run(), "b");
  assert.deepEqual(known.steps, ["0 open a", "0 open b", "0 greet b"]);
  const unknown = new RaceFixture({
    a: { answer: { redirect: "hidden" } },
    hidden: {},
  });
  assert.equal(await unknown.run(), "hidden");
  const circle = new RaceFixture({
    a: { answer: { redirect: "b" } },
    b: { answer: { redirect: "a" } },
  });
  assert.deepEqual(await circle.run(), ["a redirects", "b redirects"]);
});

Deno.test("EndpointRace returns all errors when every endpoint has failed", async () => {
  const fixture = new RaceFixture({
    a: { answer: "silence" },
    b: { answer: "refuses greeting" },
    c: { answer: "away" },
  });
  assert.deepEqual(await fixture.run(), [
    "b refuses",
    "c is away",
    "a is away",
  ]);
});

Deno.test("EndpointRace ends when it is aborted", async () => {
  const fixture = new RaceFixture({ a: { answer: "silence" }, b: {} });
  const stop = new AbortController();
  const running = fixture.run(stop.signal);
  stop.abort(new TypeError("enough"));
  assert.equal((await running).length, 1);
  assert.deepEqual(fixture.steps, ["0 open a"]);
});

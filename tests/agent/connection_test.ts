// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  type Clock,
  type ErrorCode,
} from "../../lib/shared/base/mod.ts";
import type { Link } from "../../lib/shared/link/mod.ts";
import type { Greeting } from "../../lib/shared/session/mod.ts";
import { keepConnected } from "../../lib/agent/connection.ts";
import { createBook } from "./_support/running_agent.ts";

const LINK = { peer: "test" } as Link;
const GREETING = {} as Greeting;

type Answer = "up" | "duplicate" | ErrorCode | { redirect: string };

interface Story {
  /** What each try meets, in order; the agent stops after the last. */
  answers: Answer[];
  endpoints?: string[];
  /** How long a link that comes up lasts. */
  upMs?: number;
}

/** Tries and waits in order: `a`, `wait 100`, … */
async function play({ answers, endpoints = ["a"], upMs = 0 }: Story) {
  const stop = new AbortController();
  const told: string[] = [];
  let nowMs = 0;
  const clock: Clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    sleep(delayMs) {
      if (stop.signal.aborted) return Promise.resolve();
      nowMs += delayMs;
      told.push(`wait ${Math.round(delayMs)}`);
      return Promise.resolve();
    },
  };
  const { lines, log } = createBook();
  const rest = [...answers];
  await keepConnected({
    endpoints,
    backoff: { initialDelayMs: 1_000, maxDelayMs: 60_000, factor: 2 },
    clock,
    log,
    signal: stop.signal,
    random: () => 0,
    onConnected: () => void told.push("up"),
    session: {
      run() {
        nowMs += upMs;
        return Promise.resolve({ reason: "ended" });
      },
    },
    connect(endpoint) {
      told.push(endpoint);
      const answer = rest.shift();
      if (rest.length === 0) stop.abort(new Error("enough"));
      if (answer === "up") {
        return Promise.resolve({ link: LINK, greeting: GREETING });
      }
      if (answer === "duplicate") {
        return Promise.reject(
          new AranyaError("conflict", "Cannot connect: another machine", {
            details: { reason: "DUPLICATE_DEVICE" },
          }),
        );
      }
      const code = typeof answer === "string" ? answer : "unavailable";
      return Promise.reject(
        new AranyaError(code, `Cannot connect: ${code}`, {
          ...(typeof answer === "object" &&
            { details: { endpoint: answer.redirect } }),
        }),
      );
    },
  });
  return { told, lines };
}

Deno.test("keepConnected() waits at most 3 s within the first minute after a loss, then longer", async () => {
  const { told } = await play({
    answers: ["up", ...Array<Answer>(26).fill("unavailable")],
  });
  const waits = told.filter((word) => word.startsWith("wait")).map((word) =>
    Number(word.slice(5))
  );
  let sum = 0;
  for (const wait of waits) {
    if (sum < 57_000) assert.ok(wait <= 3_000, `${wait} after ${sum}`);
    sum += wait;
  }
  assert.equal(Math.max(...waits), 60_000);
});

for (
  const code of ["unauthorized", "conflict", "unsupported", "invalid"] as const
) {
  Deno.test(`keepConnected() tries at the slow end after "${code}"`, async () => {
    const { told } = await play({ answers: [code, "up"] });
    assert.deepEqual(told, ["a", "wait 60000", "a", "up"]);
  });
}

Deno.test("keepConnected() tries again within 5 s while another machine has the device", async () => {
  const { told } = await play({ answers: ["duplicate", "duplicate", "up"] });
  assert.deepEqual(told, ["a", "wait 5000", "a", "wait 5000", "a", "up"]);
});

Deno.test("keepConnected() tries all end points before it waits", async () => {
  const { told } = await play({
    endpoints: ["a", "b"],
    answers: ["unavailable", "unavailable", "unavailable", "up"],
  });
  assert.deepEqual(told, ["a", "b", "wait 1000", "a", "b", "up"]);
});

Deno.test("keepConnected() does not let one refusing end point slow the other down for good", async () => {
  const { told, lines } = await play({
    endpoints: ["a", "b"],
    answers: ["unauthorized", "unavailable", "unauthorized", "up"],
  });
  assert.deepEqual(told, ["a", "b", "wait 60000", "a", "b", "up"]);
  assert.equal(
    lines[0],
    "operator can't be reached: Cannot connect: unauthorized",
  );
});

Deno.test("keepConnected() follows redirects, but not in a circle", async () => {
  const once = await play({ answers: [{ redirect: "c" }, "up"] });
  assert.deepEqual(once.told, ["a", "c", "up"]);
  const circle = await play({
    answers: [...Array<Answer>(5).fill({ redirect: "c" }), "up"],
  });
  assert.deepEqual(circle.told, [
    "a",
    "c",
    "c",
    "c",
    "c",
    "wait 1000",
    "a",
    "up",
  ]);
});

Deno.test("keepConnected() says the same complaint once", async () => {
  const { lines } = await play({
    answers: ["unavailable", "unavailable", "timed_out", "up"],
  });
  assert.deepEqual(lines.filter((line) => line.startsWith("operator")), [
    "operator can't be reached: Cannot connect: unavailable",
    "operator can't be reached: Cannot connect: timed_out",
  ]);
});

Deno.test("keepConnected() begins with the first delay again after a link", async () => {
  const { told } = await play({
    answers: ["unavailable", "unavailable", "up", "unavailable", "up"],
  });
  assert.deepEqual(told, [
    ...["a", "wait 1000", "a", "wait 2000", "a", "up"],
    ...["wait 1000", "a", "wait 2000", "a", "up"],
  ]);
});

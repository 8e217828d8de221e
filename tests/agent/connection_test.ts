// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  type Clock,
  type ErrorCode,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
  whenAborted,
} from "../../lib/shared/base/mod.ts";
import type { Link } from "../../lib/shared/link/mod.ts";
import type { Greeting } from "../../lib/shared/session/mod.ts";
import { OperatorConnection } from "../../lib/agent/connection.ts";
import { RecordedLog } from "./_support/recorded_log.ts";

const LINK = { peer: "test" } as Link;
const KEY = new Uint8Array(32);
const GREETING = {} as Greeting;

const STAGGER_MS = 2_500;

/** Result of one attempt to connect. */
type Result =
  | "up"
  | "duplicate"
  | "standby"
  | "revoked"
  | ErrorCode
  | { redirect: string };

interface Scenario {
  /** Result of each attempt; the agent is stopped during the last one. */
  results: Result[];
  endpoints?: string[];
  /** How long each link lives, in milliseconds. @default 30000 */
  linkMs?: number;
  /** Called for each link. */
  onLink?: (link: { knock: () => void; passMs: (ms: number) => void }) => void;
}

function toError(result: Exclude<Result, "up">): AranyaError {
  if (result === "duplicate") {
    return new AranyaError("conflict", "Cannot connect: another machine", {
      details: { reason: "DUPLICATE_DEVICE" },
    });
  }
  if (result === "standby") {
    return new AranyaError("unavailable", "Cannot connect: it does not lead", {
      details: { refusal: "NOT_LEADER" },
    });
  }
  if (result === "revoked") {
    return new AranyaError("unauthorized", "Cannot connect: refused", {
      details: { refusal: "BAD_CREDENTIAL" },
    });
  }
  if (typeof result === "string") {
    return new AranyaError(result, `Cannot connect: ${result}`);
  }
  return new AranyaError("unavailable", "Cannot connect: redirected", {
    details: { endpoint: result.redirect },
  });
}

/** Runs a connection; returns endpoints, links and delays in order, e.g. `a`, `up`, `wait 100`. */
async function run(
  { results, endpoints = ["a"], linkMs = 30_000, onLink }: Scenario,
) {
  const stop = new AbortController();
  const steps: string[] = [];
  let nowMs = 0;
  const clock: Clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    sleep(delayMs, { signal } = {}) {
      if (stop.signal.aborted) return Promise.resolve();
      // The delay before the next endpoint is tried too: all answer at once here.
      if (delayMs === STAGGER_MS) {
        return new Promise((_, reject) =>
          signal?.addEventListener("abort", () => reject(signal.reason))
        );
      }
      nowMs += delayMs;
      steps.push(`wait ${Math.round(delayMs)}`);
      return Promise.resolve();
    },
  };
  const { lines, logger } = new RecordedLog();
  const remaining = [...results];
  let knock = () => {};
  let stopsAfterGreeting = false;
  const connection = new OperatorConnection({
    endpoints: { endpoints, onConnected() {} },
    backoff: { initialDelayMs: 1_000, maxDelayMs: 60_000, factor: 2 },
    clock,
    log: logger,
    random: () => 0,
    listener: { onConnected: () => void steps.push("up") },
    session: {
      run() {
        onLink?.({
          knock: () => knock(),
          passMs: (ms) => void (nowMs += ms),
        });
        nowMs += linkMs;
        return Promise.resolve({ reason: "ended" });
      },
      disconnect: (reason) => void steps.push(`disconnect: ${reason}`),
    },
    connector: {
      open(endpoint, { onKnock }) {
        knock = onKnock;
        steps.push(endpoint);
        const result = remaining.shift() ?? "up";
        if (remaining.length === 0) stopsAfterGreeting = true;
        if (result === "up") return Promise.resolve({ link: LINK, key: KEY });
        if (remaining.length === 0) stop.abort(new Error("the last attempt"));
        return Promise.reject(toError(result));
      },
      greet() {
        if (stopsAfterGreeting) stop.abort(new Error("the last attempt"));
        return Promise.resolve({ link: LINK, greeting: GREETING });
      },
    },
  });
  await connection.run(stop.signal);
  return { steps, lines };
}

Deno.test("OperatorConnection.run() waits at most 3 s within the first minute after a loss, then longer", async () => {
  const { steps } = await run({
    results: ["up", ...Array<Result>(26).fill("unavailable")],
  });
  const delaysMs = steps.filter((step) => step.startsWith("wait"))
    .map((step) => Number(step.slice("wait ".length)));
  let sumMs = 0;
  for (const delayMs of delaysMs) {
    if (sumMs < 57_000) assert.ok(delayMs <= 3_000, `${delayMs} at ${sumMs}`);
    sumMs += delayMs;
  }
  assert.equal(Math.max(...delaysMs), 60_000);
});

for (
  const code of ["unauthorized", "conflict", "unsupported", "invalid"] as const
) {
  Deno.test(`OperatorConnection.run() waits for the longest delay after "${code}"`, async () => {
    const { steps } = await run({ results: [code, "up"] });
    assert.deepEqual(steps, ["a", "wait 60000", "a", "up"]);
  });
}

Deno.test("OperatorConnection.run() retries within 5 s while another machine has the device", async () => {
  const { steps } = await run({ results: ["duplicate", "duplicate", "up"] });
  assert.deepEqual(steps, ["a", "wait 5000", "a", "wait 5000", "a", "up"]);
});

Deno.test("OperatorConnection.run() tries all endpoints before it waits", async () => {
  const { steps } = await run({
    endpoints: ["a", "b"],
    results: ["unavailable", "unavailable", "unavailable", "up"],
  });
  assert.deepEqual(steps, ["a", "b", "wait 1000", "a", "b", "up"]);
});

Deno.test("OperatorConnection.run() waits for the longest delay when every endpoint has a persistent error", async () => {
  const { steps, lines } = await run({
    endpoints: ["a", "b"],
    results: ["unauthorized", "invalid", "up"],
  });
  assert.deepEqual(steps, ["a", "b", "wait 60000", "a", "up"]);
  assert.equal(
    lines[0],
    "connection to the operator failed, will retry: Cannot connect: unauthorized",
  );
});

Deno.test("OperatorConnection.run() retries soon when one of several endpoints can't be trusted", async () => {
  const { steps } = await run({
    endpoints: ["a", "b"],
    results: ["unauthorized", "standby", "up"],
  });
  assert.deepEqual(steps, ["a", "b", "wait 1000", "a", "up"]);
});

Deno.test("OperatorConnection.run() waits for the longest delay when the leader refuses the credential", async () => {
  const { steps, lines } = await run({
    endpoints: ["a", "b"],
    results: ["standby", "revoked", "up"],
  });
  assert.deepEqual(steps, ["a", "b", "wait 60000", "a", "up"]);
  assert.match(lines[0] ?? "", /Cannot connect: refused$/);
});

Deno.test("OperatorConnection.run() follows a redirect, and none to an endpoint that was tried", async () => {
  const one = await run({ results: [{ redirect: "c" }, "up"] });
  assert.deepEqual(one.steps, ["a", "c", "up"]);
  const circle = await run({
    endpoints: ["a", "b"],
    results: [{ redirect: "b" }, { redirect: "a" }, "up"],
  });
  assert.deepEqual(circle.steps, ["a", "b", "wait 1000", "a", "up"]);
});

Deno.test("OperatorConnection.run() logs a repeated error once", async () => {
  const { lines } = await run({
    results: ["unavailable", "unavailable", "timed_out", "up"],
  });
  assert.deepEqual(lines.filter((line) => line.startsWith("connection")), [
    "connection to the operator failed, will retry: Cannot connect: unavailable",
    "connection to the operator failed, will retry: Cannot connect: timed_out",
  ]);
});

Deno.test("OperatorConnection.run() starts with the first delay again after a link", async () => {
  const { steps } = await run({
    results: ["unavailable", "unavailable", "up", "unavailable", "up"],
  });
  assert.deepEqual(steps, [
    ...["a", "wait 1000", "a", "wait 2000", "a", "up"],
    ...["wait 1000", "a", "wait 2000", "a", "up"],
  ]);
});

Deno.test("OperatorConnection.run() waits longer and longer when links end at once", async () => {
  const { steps } = await run({
    results: Array<Result>(40).fill("up"),
    linkMs: 0,
  });
  const delaysMs = steps.filter((step) => step.startsWith("wait"))
    .map((step) => Number(step.slice("wait ".length)));
  assert.deepEqual(delaysMs.slice(0, 4), [1_000, 2_000, 3_000, 3_000]);
  assert.equal(delaysMs.at(-1), 60_000);
});

Deno.test("OperatorConnection.run() waits at most 3 s after links that lived for seconds, however many", async () => {
  const { steps } = await run({
    results: Array<Result>(40).fill("up"),
    linkMs: 5_000,
  });
  const delaysMs = steps.filter((step) => step.startsWith("wait"))
    .map((step) => Number(step.slice("wait ".length)));
  assert.equal(Math.max(...delaysMs), 3_000);
});

Deno.test("OperatorConnection.run() reconnects after a Knock, at most once in 30 s", async () => {
  const { steps } = await run({
    results: ["up", "up"],
    onLink: ({ knock, passMs }) => {
      knock();
      knock();
      passMs(29_000);
      knock();
      passMs(2_000);
      knock();
    },
  });
  const reconnect = "disconnect: another operator is listening";
  assert.deepEqual(steps, [
    ...["a", "up", reconnect, reconnect],
    ...["wait 1000", "a", "up", reconnect, reconnect],
  ]);
});

Deno.test("OperatorConnection.run() resolves after the attempts that lost have ended", async () => {
  const stop = new AbortController();
  const steps: string[] = [];
  const connection = new OperatorConnection({
    endpoints: { endpoints: ["slow", "fast"], onConnected() {} },
    backoff: { initialDelayMs: 1_000, maxDelayMs: 60_000, factor: 2 },
    // The second endpoint is tried at once.
    clock: { ...SYSTEM_CLOCK, sleep: () => Promise.resolve() },
    log: SILENT_LOGGER,
    listener: { onConnected() {} },
    session: {
      run() {
        stop.abort(new Error("stopped"));
        return Promise.resolve({ reason: "ended" });
      },
      disconnect() {},
    },
    connector: {
      async open(endpoint, { signal }) {
        if (endpoint === "fast") return { link: LINK, key: KEY };
        await whenAborted(signal);
        // What it holds is released in a later turn.
        await SYSTEM_CLOCK.sleep(0);
        steps.push("slow ended");
        throw signal.reason;
      },
      greet: () => Promise.resolve({ link: LINK, greeting: GREETING }),
    },
  });
  await connection.run(stop.signal);
  steps.push("stopped");
  assert.deepEqual(steps, ["slow ended", "stopped"]);
});

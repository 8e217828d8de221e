// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ContainerSchema,
  create,
  type ProbeSchema,
} from "../../../lib/shared/wire/mod.ts";
import { defined } from "../../../lib/shared/base/mod.ts";
import { ContainerProbes } from "../../../lib/agent/pods/probes.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";

type ProbeInit = MessageInitShape<typeof ProbeSchema>;

const HANDLER = {
  action: { case: "exec" as const, value: { command: ["check"] } },
};

/** Probes of one container, whose handlers succeed or fail as `isOk` returns. */
function startProbes(
  container: {
    startup?: ProbeInit;
    liveness?: ProbeInit;
    readiness?: ProbeInit;
  },
  { adopted = false, isOk = true, ageMs = 0 } = {},
) {
  const clock = new VirtualClock();
  const startMs = clock.monotonicMs();
  /** What was reported, each with the seconds since the start. */
  const reports: string[] = [];
  /** Seconds since the start of each run of a handler. */
  const runs: number[] = [];
  const seconds = () => (clock.monotonicMs() - startMs) / 1_000;
  const outcome = {
    isOk,
    hangs: false,
    warning: undefined as string | undefined,
  };
  const probes = new ContainerProbes({
    container: create(ContainerSchema, { name: "app", ...container }),
    clock,
    adopted,
    startedAtMs: startMs - ageMs,
    target: {
      runHandler() {
        runs.push(seconds());
        if (outcome.hangs) return new Promise(() => {});
        return Promise.resolve(
          outcome.isOk
            ? { ok: true, ...defined({ warning: outcome.warning }) }
            : { ok: false, message: "no" },
        );
      },
      onProbeStateChanged: () =>
        void reports.push(
          `${seconds()} started=${probes.started} ready=${probes.ready}`,
        ),
      onProbeFailed: (kind, message) =>
        void reports.push(`${seconds()} ${kind} failed: ${message}`),
      onProbeWarning: (kind, message) =>
        void reports.push(`${seconds()} ${kind} warning: ${message}`),
      onUnhealthy: (kind, { graceSeconds }) =>
        void reports.push(`${seconds()} ${kind} unhealthy ${graceSeconds}`),
    },
  });
  probes.start();
  return {
    clock,
    probes,
    reports,
    runs,
    outcome,
    [Symbol.asyncDispose]: () => probes[Symbol.asyncDispose](),
  };
}

Deno.test("ContainerProbes is started and ready when there are no probes", async () => {
  await using fixture = startProbes({});
  assert.equal(fixture.probes.started, true);
  assert.equal(fixture.probes.ready, true);
});

Deno.test("ContainerProbes becomes ready after the success threshold, and unready after the failure threshold", async () => {
  await using fixture = startProbes({
    readiness: {
      handler: HANDLER,
      initialDelaySeconds: 3,
      periodSeconds: 2,
      successThreshold: 2,
      failureThreshold: 2,
    },
  });
  assert.equal(fixture.probes.ready, false);
  await fixture.clock.pass(6_000);
  assert.deepEqual(fixture.runs, [3, 5]);
  fixture.outcome.isOk = false;
  await fixture.clock.pass(4_000);
  assert.deepEqual(fixture.reports, [
    "5 started=true ready=true",
    "7 readiness failed: no",
    "9 readiness failed: no",
    "9 started=true ready=false",
  ]);
});

Deno.test("ContainerProbes uses the defaults of Kubernetes when the spec has zeros", async () => {
  await using fixture = startProbes(
    { liveness: { handler: HANDLER } },
    { isOk: false },
  );
  await fixture.clock.pass(60_000);
  assert.deepEqual(fixture.runs, [0, 10, 20]);
  assert.equal(fixture.reports.at(-1), "20 liveness unhealthy undefined");
});

Deno.test("ContainerProbes reports the warning of a result that is a success", async () => {
  await using fixture = startProbes({ readiness: { handler: HANDLER } });
  fixture.outcome.warning = "redirects";
  await fixture.clock.pass(1_000);
  assert.deepEqual(fixture.reports, [
    "0 readiness warning: redirects",
    "0 started=true ready=true",
  ]);
});

Deno.test("ContainerProbes reports unhealthy once, with the probe's own grace period", async () => {
  await using fixture = startProbes({
    liveness: {
      handler: HANDLER,
      failureThreshold: 1,
      terminationGraceSeconds: 3n,
    },
  }, { isOk: false });
  await fixture.clock.pass(60_000);
  assert.deepEqual(fixture.reports, [
    "0 liveness failed: no",
    "0 liveness unhealthy 3",
  ]);
});

Deno.test("ContainerProbes holds the other probes back until the startup probe succeeds", async () => {
  await using fixture = startProbes({
    startup: { handler: HANDLER, failureThreshold: 30 },
    readiness: { handler: HANDLER, periodSeconds: 100 },
  }, { isOk: false });
  await fixture.clock.pass(15_000);
  assert.equal(fixture.probes.started, false);
  fixture.outcome.isOk = true;
  await fixture.clock.pass(10_000);
  assert.deepEqual(fixture.runs, [0, 10, 20, 20]);
  assert.deepEqual(fixture.reports.slice(-2), [
    "20 started=true ready=false",
    "20 started=true ready=true",
  ]);
});

Deno.test("ContainerProbes reports unhealthy when the startup probe fails", async () => {
  await using fixture = startProbes({
    startup: { handler: HANDLER, failureThreshold: 2 },
    liveness: { handler: HANDLER },
  }, { isOk: false });
  await fixture.clock.pass(60_000);
  assert.deepEqual(fixture.runs, [0, 10]);
  assert.equal(fixture.reports.at(-1), "10 startup unhealthy undefined");
  assert.equal(fixture.probes.started, false);
});

Deno.test("ContainerProbes counts the initial delay from the start of the container", async () => {
  await using fixture = startProbes({
    startup: { handler: HANDLER, periodSeconds: 5 },
    readiness: { handler: HANDLER, initialDelaySeconds: 12, periodSeconds: 99 },
    liveness: { handler: HANDLER, initialDelaySeconds: 3, periodSeconds: 99 },
  }, { isOk: false });
  await fixture.clock.pass(1_000);
  fixture.outcome.isOk = true;
  await fixture.clock.pass(59_000);
  // Startup at 0 and 5, then liveness at once and readiness after 12 s.
  assert.deepEqual(fixture.runs, [0, 5, 5, 12]);
});

for (const isOk of [true, false]) {
  Deno.test(`ContainerProbes of an adopted instance has an unknown state until its first result, here ${isOk}`, async () => {
    await using fixture = startProbes({
      readiness: {
        handler: HANDLER,
        initialDelaySeconds: 50,
        successThreshold: 3,
        periodSeconds: 5,
      },
    }, { adopted: true, ageMs: 60_000, isOk });
    assert.equal(fixture.probes.isPending, true);
    assert.equal(fixture.probes.ready, false);
    await fixture.clock.pass(1_000);
    assert.equal(fixture.probes.isPending, false);
    assert.equal(fixture.probes.ready, isOk);
    assert.deepEqual(fixture.runs, [0]);
    assert.deepEqual(
      fixture.reports.at(-1),
      `0 started=true ready=${isOk}`,
    );
  });
}

Deno.test("ContainerProbes of an adopted instance is started when its startup probe succeeds at once", async () => {
  await using fixture = startProbes({
    startup: { handler: HANDLER, initialDelaySeconds: 30 },
    readiness: { handler: HANDLER },
  }, { adopted: true, ageMs: 60_000 });
  assert.equal(fixture.probes.started, false);
  assert.equal(fixture.probes.isPending, true);
  await fixture.clock.pass(1_000);
  assert.equal(fixture.probes.isPending, false);
  assert.deepEqual(fixture.reports, [
    "0 started=true ready=false",
    "0 started=true ready=true",
  ]);
});

Deno.test("ContainerProbes of an adopted instance does not probe liveness before it has started", async () => {
  await using fixture = startProbes({
    startup: { handler: HANDLER, failureThreshold: 30 },
    liveness: { handler: HANDLER, failureThreshold: 1 },
    readiness: { handler: HANDLER },
  }, { adopted: true, ageMs: 60_000, isOk: false });
  await fixture.clock.pass(15_000);
  assert.deepEqual(fixture.runs, [0, 10]);
  assert.equal(fixture.probes.isPending, false);
  assert.equal(fixture.probes.started, false);
  assert.ok(!fixture.reports.some((report) => report.includes("unhealthy")));
});

Deno.test("ContainerProbes of an adopted instance waits for the rest of the initial delay", async () => {
  await using fixture = startProbes({
    readiness: { handler: HANDLER, initialDelaySeconds: 50 },
  }, { adopted: true, ageMs: 30_000 });
  // A container as young as that can't have been ready.
  assert.equal(fixture.probes.isPending, false);
  await fixture.clock.pass(25_000);
  assert.deepEqual(fixture.runs, [20]);
  assert.equal(fixture.probes.ready, true);
});

Deno.test("ContainerProbes of an adopted instance is unready when its first result takes more than 3 s", async () => {
  await using fixture = startProbes({
    readiness: { handler: HANDLER, timeoutSeconds: 3_600 },
  }, { adopted: true, ageMs: 60_000 });
  fixture.outcome.hangs = true;
  await fixture.clock.pass(2_999);
  assert.equal(fixture.probes.isPending, true);
  await fixture.clock.pass(1);
  assert.equal(fixture.probes.isPending, false);
  assert.deepEqual(fixture.reports, ["3 started=true ready=false"]);
});

Deno.test("stopLivenessAndStartup() leaves the readiness probe running", async () => {
  await using fixture = startProbes({
    liveness: { handler: HANDLER, failureThreshold: 1 },
    readiness: { handler: HANDLER, periodSeconds: 7, failureThreshold: 1 },
  });
  await fixture.clock.pass(1_000);
  fixture.probes.stopLivenessAndStartup();
  fixture.outcome.isOk = false;
  await fixture.clock.pass(15_000);
  assert.deepEqual(fixture.runs, [0, 0, 7, 14]);
  assert.equal(fixture.probes.ready, false);
  assert.ok(!fixture.reports.some((report) => report.includes("liveness")));
});

Deno.test("ContainerProbes stops when it is disposed", async () => {
  const fixture = startProbes({ liveness: { handler: HANDLER } });
  await fixture.clock.pass(5_000);
  await fixture.probes[Symbol.asyncDispose]();
  await fixture.clock.pass(60_000);
  assert.deepEqual(fixture.runs, [0]);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import type {
  EdgeDevice,
  EdgeDeviceStatus,
} from "../../../lib/operator/kube/mod.ts";
import { create, FactsSchema } from "../../../lib/shared/wire/mod.ts";
import {
  type EdgeStatusInput,
  fromFacts,
  fromMeasured,
  toEdgeStatusPatch,
  toReconcileError,
} from "../../../lib/operator/device/status.ts";

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const UP = { connected: true, reason: "LinkUp", message: "connected" };
const DOWN = { connected: false, reason: "LinkLost", message: "lost" };

function input(rest: Partial<EdgeStatusInput> = {}): EdgeStatusInput {
  const edge: EdgeDevice = {
    metadata: { name: "edge-1", namespace: "home", generation: 2 },
  };
  return { edge, link: DOWN, problems: [], nowMs: NOW_MS, ...rest };
}

function applied(given: EdgeStatusInput): EdgeStatusInput {
  const status = structuredClone(
    toEdgeStatusPatch(given)?.status ?? {},
  ) as EdgeDeviceStatus;
  return { ...given, edge: { ...given.edge, status } };
}

function conditionsOf(given: EdgeStatusInput): Record<string, string> {
  const status = toEdgeStatusPatch(given)?.status as EdgeDeviceStatus;
  return Object.fromEntries(
    (status.conditions ?? []).map((one) => [one.type, one.status]),
  );
}

Deno.test("toEdgeStatusPatch() is Ready only when reconciled and connected", () => {
  assert.deepEqual(conditionsOf(input({ link: UP })), {
    Connected: "True",
    Ready: "True",
  });
  assert.deepEqual(conditionsOf(input()), {
    Connected: "False",
    Ready: "False",
  });
  const reconcileError = { reason: "Forbidden", message: "no" };
  assert.deepEqual(conditionsOf(input({ link: UP, reconcileError })), {
    Connected: "True",
    Ready: "False",
  });
});

Deno.test("toEdgeStatusPatch() returns undefined for its own result", () => {
  const done = applied(input({ link: UP, podCidr: "100.64.0.0/26" }));
  assert.equal(toEdgeStatusPatch({ ...done, nowMs: NOW_MS + 9000 }), undefined);
});

Deno.test("toEdgeStatusPatch() sets lastTransitionTime when the link changed, and keeps it otherwise", () => {
  const done = applied(input({ link: UP }));
  assert.equal(done.edge.status?.lastTransitionTime, "2026-01-02T03:04:05Z");
  const same = applied({ ...done, agentVersion: "1", nowMs: NOW_MS + 1000 });
  assert.equal(same.edge.status?.lastTransitionTime, undefined);
  const turned = applied({ ...done, link: DOWN, nowMs: NOW_MS + 2000 });
  assert.equal(turned.edge.status?.lastTransitionTime, "2026-01-02T03:04:07Z");
});

Deno.test("toEdgeStatusPatch() has a problem as a condition while it lasts, and drops it afterwards", () => {
  const problem = {
    type: "NameConflict" as const,
    reason: "NodeExists",
    message: "taken",
    isFatal: true,
  };
  const done = applied(input({ link: UP, problems: [problem] }));
  const found = done.edge.status?.conditions ?? [];
  assert.equal(
    found.find(({ type }) => type === "NameConflict")?.status,
    "True",
  );
  assert.equal(
    found.find(({ type }) => type === "Ready")?.reason,
    "NodeExists",
  );
  assert.deepEqual(conditionsOf({ ...done, problems: [] }), {
    Connected: "True",
    Ready: "True",
  });
});

Deno.test("fromFacts() formats quantities as the API server stores them", () => {
  const facts = create(FactsSchema, {
    os: "linux",
    cpuMillis: 3500,
    memoryBytes: 1_048_576n,
    storageBytes: 2048n,
    addresses: ["192.0.2.9"],
  });
  const reported = fromFacts(facts, undefined);
  assert.equal(reported.cpu, "3500m");
  assert.equal(reported.memory, "1Mi");
  assert.equal(reported.storage, "2Ki");
  assert.equal(reported.runtimeVersion, "");
  assert.deepEqual(reported.addresses, ["192.0.2.9"]);
});

Deno.test("fromMeasured() gives each condition a reason", () => {
  const facts = create(FactsSchema, {
    conditions: [{ type: "DiskPressure", status: true }],
  });
  assert.deepEqual(fromMeasured(facts), [{
    type: "DiskPressure",
    status: true,
    reason: "Measured",
    message: "",
  }]);
});

Deno.test("toReconcileError() returns the error's code as CamelCase reason", () => {
  assert.deepEqual(
    toReconcileError(new AranyaError("already_exists", "Cannot x")),
    {
      reason: "AlreadyExists",
      message: "Cannot x",
    },
  );
});

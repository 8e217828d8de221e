// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import type {
  EdgeDevice,
  EdgeDeviceStatus,
} from "../../../lib/operator/kube/mod.ts";
import { create, FactsSchema } from "../../../lib/shared/wire/mod.ts";
import {
  fromFacts,
  fromMeasured,
  type StatusWish,
  toEdgeStatusPatch,
  toSetback,
} from "../../../lib/operator/device/status.ts";

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const UP = { connected: true, reason: "LinkUp", message: "connected" };
const DOWN = { connected: false, reason: "LinkLost", message: "gone" };

function wish(rest: Partial<StatusWish> = {}): StatusWish {
  const edge: EdgeDevice = {
    metadata: { name: "edge-1", namespace: "home", generation: 2 },
  };
  return { edge, link: DOWN, troubles: [], nowMs: NOW_MS, ...rest };
}

function after(given: StatusWish): StatusWish {
  const status = structuredClone(
    toEdgeStatusPatch(given)?.status ?? {},
  ) as EdgeDeviceStatus;
  return { ...given, edge: { ...given.edge, status } };
}

function conditionsOf(given: StatusWish): Record<string, string> {
  const status = toEdgeStatusPatch(given)?.status as EdgeDeviceStatus;
  return Object.fromEntries(
    (status.conditions ?? []).map((one) => [one.type, one.status]),
  );
}

Deno.test("toEdgeStatusPatch() is Ready only when complete and connected", () => {
  assert.deepEqual(conditionsOf(wish({ link: UP })), {
    Connected: "True",
    Ready: "True",
  });
  assert.deepEqual(conditionsOf(wish()), {
    Connected: "False",
    Ready: "False",
  });
  const setback = { reason: "Forbidden", message: "no" };
  assert.deepEqual(conditionsOf(wish({ link: UP, setback })), {
    Connected: "True",
    Ready: "False",
  });
});

Deno.test("toEdgeStatusPatch() has nothing to write for what it wrote", () => {
  const done = after(wish({ link: UP, podCidr: "100.64.0.0/26" }));
  assert.equal(toEdgeStatusPatch({ ...done, nowMs: NOW_MS + 9000 }), undefined);
});

Deno.test("toEdgeStatusPatch() notes when the link turned, and keeps the time otherwise", () => {
  const done = after(wish({ link: UP }));
  assert.equal(done.edge.status?.lastTransitionTime, "2026-01-02T03:04:05Z");
  const same = after({ ...done, agentVersion: "1", nowMs: NOW_MS + 1000 });
  assert.equal(same.edge.status?.lastTransitionTime, undefined);
  const turned = after({ ...done, link: DOWN, nowMs: NOW_MS + 2000 });
  assert.equal(turned.edge.status?.lastTransitionTime, "2026-01-02T03:04:07Z");
});

Deno.test("toEdgeStatusPatch() shows a trouble as a condition, and drops it when it is over", () => {
  const trouble = {
    type: "NameConflict" as const,
    reason: "NodeExists",
    message: "taken",
    fatal: true,
  };
  const done = after(wish({ link: UP, troubles: [trouble] }));
  const found = done.edge.status?.conditions ?? [];
  assert.equal(
    found.find(({ type }) => type === "NameConflict")?.status,
    "True",
  );
  assert.equal(
    found.find(({ type }) => type === "Ready")?.reason,
    "NodeExists",
  );
  assert.deepEqual(conditionsOf({ ...done, troubles: [] }), {
    Connected: "True",
    Ready: "True",
  });
});

Deno.test("fromFacts() writes quantities as the API server keeps them", () => {
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

Deno.test("toSetback() makes a CamelCase reason of an error's code", () => {
  assert.deepEqual(toSetback(new AranyaError("already_exists", "Cannot x")), {
    reason: "AlreadyExists",
    message: "Cannot x",
  });
});

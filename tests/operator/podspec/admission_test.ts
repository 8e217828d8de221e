// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  findHostNeeds,
  findPodRejection,
} from "../../../lib/operator/podspec/admission.ts";
import { findUnsupportedFields } from "../../../lib/operator/podspec/supported_fields.ts";
import { CAPABILITIES } from "../../../lib/shared/wire/mod.ts";
import {
  BASELINE_POD,
  HOST_PODS,
  UNSUPPORTED_HOST_PODS,
} from "../../_support/host_pods.ts";
import { pod } from "./_support/fixtures.ts";

const AGENT = Object.values(CAPABILITIES);

for (const { name, spec, needs } of HOST_PODS) {
  Deno.test(`findHostNeeds() finds the way to the host of the pod "${name}"`, () => {
    assert.deepEqual(findUnsupportedFields(pod(spec), AGENT), []);
    assert.deepEqual(findHostNeeds(pod(spec)), needs);
  });
}

for (const { name, spec, field } of UNSUPPORTED_HOST_PODS) {
  Deno.test(`findUnsupportedFields() names the way to the host of the pod "${name}"`, () => {
    const fields = findUnsupportedFields(pod(spec), AGENT);
    assert.ok(fields.includes(field), fields.join());
  });
}

Deno.test("findHostNeeds() finds nothing in a pod of the baseline policy", () => {
  assert.deepEqual(findUnsupportedFields(pod(BASELINE_POD), AGENT), []);
  assert.deepEqual(findHostNeeds(pod(BASELINE_POD)), []);
});

Deno.test("findHostNeeds() does without what a pod refers to", () => {
  const referring = pod({
    containers: [{
      name: "app",
      image: "busybox:1",
      envFrom: [{ configMapRef: { name: "absent" } }],
      resources: {},
      env: [{
        name: "CPU",
        valueFrom: { resourceFieldRef: { resource: "limits.cpu" } },
      }],
    }],
    volumes: [{ name: "v", secret: { secretName: "absent" } }],
  });
  assert.deepEqual(findHostNeeds(referring), []);
});

Deno.test("findPodRejection() reads priority, tolerations and requests of a pod", () => {
  const find = (more: Record<string, unknown>, conditions: string[]) =>
    findPodRejection(
      pod({ containers: [{ name: "app" }], ...more }),
      conditions,
    )
      ?.message;
  const memory = ["MemoryPressure"];
  const message = "The node had condition: [MemoryPressure]. ";
  assert.equal(find({}, []), undefined);
  assert.equal(find({}, memory), message);
  assert.equal(
    find({ tolerations: [{ operator: "Exists" }] }, memory),
    undefined,
  );
  const resources = { limits: { memory: "1Mi" } };
  const containers = [{ name: "app", resources }];
  assert.equal(find({ containers }, memory), undefined);
  assert.equal(find({ priority: 2_000_000_000 }, memory), undefined);
  assert.equal(find({ priority: 1_000 }, memory), message);
});

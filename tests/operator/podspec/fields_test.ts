// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  readField,
  readResource,
} from "../../../lib/operator/podspec/fields.ts";
import { lookups, pod, podWith } from "./_support/fixtures.ts";

const POD = pod({ serviceAccountName: "robot" }, {
  labels: { b: "2", a: 'print "hi"' },
  annotations: { "x/y": "z" },
});

Deno.test("readField() reads fields that the operator knows", () => {
  const cases: [string, string | undefined][] = [
    ["metadata.name", "web"],
    ["metadata.namespace", "ns"],
    ["metadata.uid", "u-1"],
    ["metadata.labels['b']", "2"],
    ["metadata.labels['c']", ""],
    ["metadata.annotations['x/y']", "z"],
    ["metadata.labels", 'a="print \\"hi\\""\nb="2"'],
    ["spec.nodeName", "edge-1"],
    ["spec.serviceAccountName", "robot"],
    ["status.podIP", undefined],
    ["status.hostIPs", undefined],
  ];
  for (const [fieldPath, value] of cases) {
    assert.equal(readField(POD, { fieldPath }), value, fieldPath);
  }
});

Deno.test("readField() throws for other fields", () => {
  assert.throws(() => readField(POD, { fieldPath: "status.phase" }), {
    code: "unsupported",
  });
});

Deno.test("readResource() divides, and takes the Node's size without a limit", () => {
  const from = podWith({
    resources: { limits: { memory: "64Mi" }, requests: { cpu: "250m" } },
  });
  const read = (resource: string, divisor?: string) =>
    readResource(
      {
        resource,
        containerName: "app",
        ...(divisor === undefined ? {} : { divisor }),
      },
      { pod: from, lookups: lookups() },
    );
  assert.equal(read("limits.memory", "1Mi"), "64");
  assert.equal(read("requests.cpu", "1m"), "250");
  assert.equal(read("requests.cpu"), "1");
  assert.equal(read("limits.cpu"), "4");
  assert.equal(read("requests.memory"), "0");
  assert.throws(
    () =>
      readResource({ resource: "limits.cpu", containerName: "no" }, {
        pod: from,
        lookups: lookups(),
      }),
    { code: "not_found" },
  );
});

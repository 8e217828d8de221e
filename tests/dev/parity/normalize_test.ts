// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { normalizeText } from "../../../dev/parity/normalize.ts";

const NAMES = { node: "node-of-device", namespace: "ns-of-device" };

/** Texts as nodes write them, and what is compared of each. */
const CASES: Record<string, string> = {
  "at 2026-01-02T03:04:05Z and 2026-01-02T03:04:05.123456789+02:00":
    "at <time> and <time>",
  "Successfully assigned ns-of-device/a to node-of-device":
    "Successfully assigned <namespace>/a to <node>",
  [`containerd://${"a".repeat(64)}`]: "<runtime>://<id>",
  [`docker://${"b".repeat(64)}`]: "<runtime>://<id>",
  [`sha256:${"c".repeat(64)}`]: "<id>",
  "docker.io/library/busybox:1.35": "busybox:1.35",
  "http://10.88.0.17:8080/": "http://<podIP>:8080/",
  "http://100.64.0.17:8080/": "http://<podIP>:8080/",
  "10.96.0.1 10.213.0.3": "10.96.0.1 <hostIP>",
  "in 12ms (1m2.5s including waiting)":
    "in <duration> (<duration> including waiting)",
  'Failed to pull image "x:1": rpc error: anything':
    'Failed to pull image "x:1": <engine\'s text>',
};

for (const [text, expected] of Object.entries(CASES)) {
  Deno.test(`normalizeText() of "${text.slice(0, 50)}"`, () => {
    assert.equal(normalizeText(text, NAMES), expected);
  });
}

Deno.test("normalizeText() keeps a digest of zeros, which a pod names itself", () => {
  const text = `absent@sha256:${"0".repeat(64)}`;
  assert.equal(normalizeText(text, NAMES), text);
});

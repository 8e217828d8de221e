// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { KubeContainer } from "../../../lib/operator/kube/mod.ts";
import { resolveEnv } from "../../../lib/operator/podspec/env.ts";
import { Findings } from "../../../lib/operator/podspec/lookups.ts";
import { EnvField } from "../../../lib/shared/wire/mod.ts";
import { type Existing, lookups, pod, podWith } from "./_support/fixtures.ts";

function resolve(container: Partial<KubeContainer>, existing: Existing = {}) {
  const findings = new Findings();
  const from = podWith(container);
  const { env, blocked } = resolveEnv({
    pod: from,
    container: from.spec.containers[0] ?? { name: "" },
    lookups: lookups(existing),
    findings,
  });
  return {
    lines: env.map(({ name, value, literal }) =>
      `${name}=${value}${literal ? " literal" : ""}`
    ),
    env,
    blocked,
    findings,
  };
}

Deno.test("resolveEnv() leaves $(VAR) in a plain value to the device", () => {
  const { lines } = resolve({
    env: [{ name: "A", value: "1" }, { name: "B", value: "$(A)-$$(A)" }, {
      name: "C",
    }],
  });
  assert.deepEqual(lines, ["A=1", "B=$(A)-$$(A)", "C="]);
});

Deno.test("resolveEnv() marks referenced values as literal, in the order Services, envFrom, env", () => {
  const { lines, findings } = resolve({
    envFrom: [
      { prefix: "P_", configMapRef: { name: "cm" } },
      { secretRef: { name: "sec" } },
    ],
    env: [
      { name: "K", valueFrom: { configMapKeyRef: { name: "cm", key: "b" } } },
      { name: "S", valueFrom: { secretKeyRef: { name: "sec", key: "s" } } },
      { name: "N", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    ],
  }, {
    configMaps: { cm: { data: { b: "$(X)", a: "1" } } },
    secrets: { sec: { s: "geheim" } },
  });
  assert.deepEqual(lines, [
    "P_a=1 literal",
    "P_b=$(X) literal",
    "s=geheim literal",
    "K=$(X) literal",
    "S=geheim literal",
    "N=web literal",
  ]);
  assert.deepEqual([...findings.refs].sort(), [
    "ConfigMap/ns/cm",
    "Secret/ns/sec",
    "Services/default/",
  ]);
});

Deno.test("resolveEnv() leaves addresses to the device", () => {
  const at = (fieldPath: string) =>
    resolve({ env: [{ name: "X", valueFrom: { fieldRef: { fieldPath } } }] })
      .env[0]?.field;
  assert.equal(at("status.podIP"), EnvField.POD_IP);
  assert.equal(at("status.podIPs"), EnvField.POD_IPS);
  assert.equal(at("status.hostIP"), EnvField.HOST_IP);
  assert.equal(at("status.hostIPs"), EnvField.HOST_IPS);
});

Deno.test("resolveEnv() blocks the container when a required reference is missing", () => {
  const cases: [Partial<KubeContainer>, string][] = [
    [
      { envFrom: [{ configMapRef: { name: "cm" } }] },
      'configmap "cm" not found',
    ],
    [{ envFrom: [{ secretRef: { name: "s" } }] }, 'secret "s" not found'],
    [
      {
        env: [{
          name: "A",
          valueFrom: { configMapKeyRef: { name: "there", key: "no" } },
        }],
      },
      "couldn't find key no in ConfigMap ns/there",
    ],
    [
      {
        env: [{
          name: "A",
          valueFrom: { secretKeyRef: { name: "s", key: "k" } },
        }],
      },
      'secret "s" not found',
    ],
  ];
  for (const [container, message] of cases) {
    const { blocked, env } = resolve(container, { configMaps: { there: {} } });
    assert.equal(blocked?.reason, "CreateContainerConfigError");
    assert.equal(blocked?.message, message);
    assert.deepEqual(env, []);
  }
});

Deno.test("resolveEnv() leaves out a missing reference that is optional", () => {
  const { lines, blocked } = resolve({
    envFrom: [{ configMapRef: { name: "cm", optional: true } }],
    env: [{
      name: "A",
      valueFrom: { secretKeyRef: { name: "s", key: "k", optional: true } },
    }],
  });
  assert.deepEqual(lines, []);
  assert.equal(blocked, undefined);
});

Deno.test("resolveEnv() skips keys that are not valid names, with a warning", () => {
  const { lines, findings } = resolve({
    envFrom: [{ configMapRef: { name: "cm" } }],
  }, { configMaps: { cm: { data: { "a.b-c": "1", "x=y": "2" } } } });
  assert.deepEqual(lines, ["a.b-c=1 literal"]);
  assert.equal(findings.warnings[0]?.reason, "InvalidEnvironmentVariableNames");
  assert.equal(pod().metadata.name, "web");
});

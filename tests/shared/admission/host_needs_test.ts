// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  checkPodSwitches,
  listHostNeeds,
  toForbiddenMessage,
} from "../../../lib/shared/admission/mod.ts";
import { create, PodSpecSchema } from "../../../lib/shared/wire/mod.ts";
import { ALL_OFF, ALL_ON } from "../../_support/host_pods.ts";

type SpecInit = MessageInitShape<typeof PodSpecSchema>;

function toSpec(init: SpecInit) {
  return create(PodSpecSchema, { namespace: "ns", name: "p", ...init });
}

const HOST = {
  handler: { action: { case: "tcp" as const, value: { host: "10.0.0.1" } } },
};

/** Commands for one pod, what each needs, and the switch; also what only a bad operator sends. */
const CASES: { key: keyof typeof ALL_ON; what: string; spec: SpecInit }[] = [
  {
    key: "privileged",
    what: 'privileged container "app"',
    spec: { containers: [{ name: "app", security: { privileged: true } }] },
  },
  {
    key: "privileged",
    what: 'capability CAP_SYS_ADMIN of container "setup"',
    spec: {
      initContainers: [{
        name: "setup",
        security: { addCapabilities: ["chown", "CAP_SYS_ADMIN"] },
      }],
    },
  },
  {
    key: "privileged",
    what: 'seccomp profile Unconfined of container "app"',
    spec: {
      containers: [{ name: "app", security: { seccomp: "unconfined" } }],
    },
  },
  {
    key: "privileged",
    what: 'procMount Unmasked of container "app"',
    spec: {
      containers: [{ name: "app", security: { procMount: "Unmasked" } }],
    },
  },
  {
    key: "privileged",
    what: 'mount propagation Bidirectional of container "app"',
    spec: {
      containers: [{ name: "app", mounts: [{ propagation: "rshared" }] }],
    },
  },
  {
    key: "privileged",
    what: "sysctl kernel.core_pattern",
    spec: { sysctls: [{ name: "kernel.core_pattern", value: "|/bin/sh" }] },
  },
  {
    key: "hostPath",
    what: 'hostPath volume "root"',
    spec: {
      volumes: [{
        name: "root",
        source: { case: "hostPath", value: { path: "/" } },
      }],
    },
  },
  { key: "hostNamespaces", what: "hostNetwork", spec: { hostNetwork: true } },
  { key: "hostNamespaces", what: "hostPID", spec: { hostPid: true } },
  { key: "hostNamespaces", what: "hostIPC", spec: { hostIpc: true } },
  ...(["liveness", "readiness", "startup"] as const).map((kind) => ({
    key: "hostNamespaces" as const,
    what: `host "10.0.0.1" in the ${kind} probe of container "app"`,
    spec: { containers: [{ name: "app", [kind]: HOST }] },
  })),
  ...(["preStop", "postStart"] as const).map((kind) => ({
    key: "hostNamespaces" as const,
    what: `host "10.0.0.1" in the ${kind} hook of container "app"`,
    spec: { initContainers: [{ name: "app", [kind]: HOST.handler }] },
  })),
];

for (const { key, what, spec } of CASES) {
  Deno.test(`checkPodSwitches() refuses ${what} only with ${key}: false`, () => {
    const pod = toSpec(spec);
    assert.deepEqual(listHostNeeds(pod), [{ what, key }]);
    assert.throws(() => checkPodSwitches(pod, ALL_OFF), {
      code: "forbidden",
      message:
        `Cannot run pod "ns/p": it has ${what}, turned off by the device's owner (pods.${key}: false in agent.yaml)`,
    });
    checkPodSwitches(pod, ALL_ON);
    checkPodSwitches(pod, { ...ALL_OFF, [key]: true });
  });
}

Deno.test("listHostNeeds() is empty for all that the baseline policy allows", () => {
  const spec = toSpec({
    containers: [{
      name: "app",
      security: {
        addCapabilities: ["NET_BIND_SERVICE", "cap_chown"],
        allowPrivilegeEscalation: true,
        runAsUser: 0n,
      },
      mounts: [{ volume: "v", propagation: "rslave" }],
      liveness: { handler: { action: { case: "tcp", value: { port: 80 } } } },
      preStop: { action: { case: "http", value: { port: 80 } } },
      postStart: { action: { case: "exec", value: { command: ["true"] } } },
    }],
    sysctls: [
      { name: "net.ipv4.tcp_syncookies", value: "1" },
      { name: "net/ipv4/ping_group_range", value: "0 1" },
    ],
    volumes: [{ name: "v", source: { case: "emptyDir", value: {} } }],
    shareProcessNamespace: true,
  });
  assert.deepEqual(listHostNeeds(spec), []);
  checkPodSwitches(spec, ALL_OFF);
});

Deno.test("toForbiddenMessage() names each need and each switch once, and is bounded", () => {
  const pod = { namespace: "ns", name: "p" };
  const needs = Array.from({ length: 40 }, (_unused, index) => ({
    what: `capability C${index}`,
    key: index % 2 === 0 ? "privileged" as const : "hostPath" as const,
  }));
  assert.equal(
    toForbiddenMessage(pod, { needs, switches: ALL_OFF }),
    `Cannot run pod "ns/p": it has capability C0, capability C1, capability C2, capability C3, capability C4, 35 more, turned off by the device's owner (pods.privileged, pods.hostPath: false in agent.yaml)`,
  );
  assert.match(
    toForbiddenMessage(pod, {
      needs: needs.slice(0, 6),
      switches: ALL_OFF,
    }) ?? "",
    /it has capability C0, .*, capability C4, 1 more, turned off/,
  );
  assert.equal(
    toForbiddenMessage(pod, {
      needs: needs.slice(0, 2),
      switches: { ...ALL_ON, hostPath: false },
    }),
    `Cannot run pod "ns/p": it has capability C1, turned off by the device's owner (pods.hostPath: false in agent.yaml)`,
  );
  assert.equal(
    toForbiddenMessage(pod, { needs, switches: ALL_ON }),
    undefined,
  );
});

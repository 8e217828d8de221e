// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { checkPodSwitches } from "../../../lib/agent/pods/pod_switches.ts";
import { create, PodSpecSchema } from "../../../lib/shared/wire/mod.ts";

const ALL_OFF = { privileged: false, hostPath: false, hostNamespaces: false };
const ALL_ON = { privileged: true, hostPath: true, hostNamespaces: true };
type SpecInit = MessageInitShape<typeof PodSpecSchema>;

const CASES: {
  key: keyof typeof ALL_ON;
  what: string;
  spec: SpecInit;
}[] = [
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
];

for (const { key, what, spec } of CASES) {
  Deno.test(`checkPodSwitches() refuses ${what} only with ${key}: false`, () => {
    const pod = create(PodSpecSchema, { namespace: "ns", name: "p", ...spec });
    assert.throws(() => checkPodSwitches(pod, ALL_OFF), {
      code: "forbidden",
      message:
        `Cannot run pod "ns/p": it has ${what}, turned off by the device's owner (pods.${key}: false in agent.yaml)`,
    });
    checkPodSwitches(pod, ALL_ON);
    checkPodSwitches(pod, { ...ALL_OFF, [key]: true });
  });
}

Deno.test("checkPodSwitches() allows what cannot reach the host when all is off", () => {
  checkPodSwitches(
    create(PodSpecSchema, {
      containers: [{
        name: "app",
        security: { addCapabilities: ["NET_BIND_SERVICE"] },
      }],
      volumes: [{ name: "v", source: { case: "emptyDir", value: {} } }],
    }),
    ALL_OFF,
  );
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { KubeContainer, Pod } from "../../../lib/operator/kube/mod.ts";
import { toContainer } from "../../../lib/operator/podspec/containers.ts";
import { Findings } from "../../../lib/operator/podspec/lookups.ts";
import { PullPolicy } from "../../../lib/shared/wire/mod.ts";
import { lookups, podWith } from "./_support/fixtures.ts";

function translate(
  container: Partial<KubeContainer>,
  outer: Pod["spec"]["securityContext"] = {},
) {
  const pod = podWith(container);
  pod.spec.securityContext = outer ?? {};
  return toContainer({
    pod,
    container: pod.spec.containers[0] ?? { name: "" },
    lookups: lookups(),
    findings: new Findings(),
  });
}

Deno.test("toContainer() derives the pull policy from the tag when none is set", () => {
  const cases: [string, PullPolicy][] = [
    ["busybox", PullPolicy.ALWAYS],
    ["busybox:latest", PullPolicy.ALWAYS],
    ["reg:5000/busybox", PullPolicy.ALWAYS],
    ["reg:5000/busybox:1", PullPolicy.IF_NOT_PRESENT],
    ["busybox@sha256:00", PullPolicy.IF_NOT_PRESENT],
  ];
  for (const [image, policy] of cases) {
    assert.equal(translate({ image }).pullPolicy, policy, image);
  }
  assert.equal(
    translate({ image: "a:latest", imagePullPolicy: "Never" }).pullPolicy,
    PullPolicy.NEVER,
  );
});

Deno.test("toContainer() prefers the container's security settings to the pod's", () => {
  const { security } = translate({
    securityContext: { runAsUser: 0, capabilities: { drop: ["ALL"] } },
  }, {
    runAsUser: 7,
    runAsGroup: 8,
    runAsNonRoot: true,
    seccompProfile: { type: "Unconfined" },
  });
  assert.equal(security?.runAsUser, 0n);
  assert.equal(security?.runAsGroup, 8n);
  assert.equal(security?.runAsNonRoot, true);
  assert.equal(security?.seccomp, "unconfined");
  assert.deepEqual(security?.dropCapabilities, ["ALL"]);
  assert.equal(security?.allowPrivilegeEscalation, undefined);
});

Deno.test("toContainer() converts CPU to thousandths, memory and storage to bytes", () => {
  const { resources } = translate({
    resources: {
      limits: { cpu: "1500m", memory: "64Mi", "ephemeral-storage": "1Gi" },
      requests: { cpu: "0.1", "ephemeral-storage": "1M" },
    },
  });
  assert.equal(resources?.cpuLimitMillis, 1500n);
  assert.equal(resources?.memoryLimitBytes, 67108864n);
  assert.equal(resources?.cpuRequestMillis, 100n);
  assert.equal(resources?.memoryRequestBytes, 0n);
  assert.equal(resources?.storageLimitBytes, 1073741824n);
  assert.equal(resources?.storageRequestBytes, 1000000n);
});

Deno.test("toContainer() translates probes and hooks, with ports by name", () => {
  const made = translate({
    ports: [{ name: "web", containerPort: 8080 }],
    livenessProbe: { httpGet: { port: "web", path: "/healthz" } },
    readinessProbe: { tcpSocket: { port: 5432 }, periodSeconds: 3 },
    startupProbe: { exec: { command: ["true"] } },
    lifecycle: {
      preStop: { sleep: { seconds: 5 } },
      postStart: { exec: { command: ["a", "b"] } },
    },
  });
  const { liveness, readiness, startup, preStop, postStart } = made;
  assert.ok(liveness?.handler?.action.case === "http");
  assert.equal(liveness.handler.action.value.port, 8080);
  assert.equal(liveness.periodSeconds, 10);
  assert.equal(liveness.failureThreshold, 3);
  assert.ok(readiness?.handler?.action.case === "tcp");
  assert.equal(readiness.periodSeconds, 3);
  assert.ok(startup?.handler?.action.case === "exec");
  assert.ok(preStop?.action.case === "sleepSeconds");
  assert.equal(preStop.action.value, 5n);
  assert.ok(postStart?.action.case === "exec");
  assert.deepEqual(postStart.action.value.command, ["a", "b"]);
});

Deno.test("toContainer() copies mounts, terminal and termination message settings", () => {
  const made = translate({
    tty: true,
    stdin: true,
    terminationMessagePolicy: "FallbackToLogsOnError",
    restartPolicy: "Always",
    volumeMounts: [{
      name: "v",
      mountPath: "/v",
      subPath: "s",
      readOnly: true,
      mountPropagation: "HostToContainer",
    }],
  });
  const [mount] = made.mounts;
  assert.equal(mount?.subPath, "s");
  assert.equal(mount?.readOnly, true);
  assert.equal(mount?.propagation, "rslave");
  assert.equal(made.tty && made.stdin && made.restartAlways, true);
  assert.equal(made.terminationMessageFallbackToLogs, true);
  assert.equal(made.terminationMessagePath, "/dev/termination-log");
});

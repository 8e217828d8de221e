// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Pod } from "../../../lib/operator/kube/mod.ts";
import { findUnsupportedFields } from "../../../lib/operator/podspec/supported_fields.ts";
import { pod } from "./_support/fixtures.ts";

const CAPABILITIES = ["pods.v1", "probes.v1"];

/** A Deployment's pod as kube-apiserver 1.36 returns it, with all defaults filled in. */
const DEFAULTED = {
  metadata: { namespace: "ns", name: "web-6b7f-x", uid: "u" },
  spec: {
    volumes: [{
      name: "kube-api-access-9mxzl",
      projected: {
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
          {
            configMap: {
              name: "kube-root-ca.crt",
              items: [{ key: "ca.crt", path: "ca.crt" }],
            },
          },
          {
            downwardAPI: {
              items: [{
                path: "namespace",
                fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" },
              }],
            },
          },
        ],
        defaultMode: 420,
      },
    }],
    containers: [{
      name: "app",
      image: "busybox:1",
      command: ["sleep", "1d"],
      ports: [{ containerPort: 80, protocol: "TCP" }],
      env: [{ name: "A", value: "1" }],
      resources: { limits: { memory: "64Mi" }, requests: { memory: "64Mi" } },
      volumeMounts: [{
        name: "kube-api-access-9mxzl",
        readOnly: true,
        mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
      }],
      livenessProbe: {
        httpGet: { path: "/", port: 80, scheme: "HTTP" },
        timeoutSeconds: 1,
        periodSeconds: 10,
        successThreshold: 1,
        failureThreshold: 3,
      },
      lifecycle: { preStop: { exec: { command: ["true"] } } },
      terminationMessagePath: "/dev/termination-log",
      terminationMessagePolicy: "File",
      imagePullPolicy: "IfNotPresent",
      securityContext: { capabilities: { drop: ["ALL"] }, privileged: false },
    }],
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    serviceAccountName: "default",
    serviceAccount: "default",
    nodeName: "edge-1",
    nodeSelector: { "arhat.dev/role": "EdgeDevice" },
    securityContext: {},
    affinity: { nodeAffinity: {} },
    schedulerName: "default-scheduler",
    tolerations: [{ key: "arhat.dev/namespace", operator: "Exists" }],
    priority: 0,
    enableServiceLinks: true,
    preemptionPolicy: "PreemptLowerPriority",
  },
} as unknown as Pod;

Deno.test("findUnsupportedFields() accepts a Deployment's pod with all defaults", () => {
  assert.deepEqual(findUnsupportedFields(DEFAULTED, CAPABILITIES), []);
});

Deno.test("findUnsupportedFields() returns the path of every unsupported field", () => {
  const container = (fields: Record<string, unknown>) => ({
    containers: [{ name: "app", image: "i", ...fields }],
  });
  const cases: [Record<string, unknown>, string[]][] = [
    [{ runtimeClassName: "gvisor" }, ["spec.runtimeClassName"]],
    [{ hostUsers: false }, ["spec.hostUsers"]],
    [{ setHostnameAsFQDN: true }, ["spec.setHostnameAsFQDN"]],
    [{ resources: { limits: { cpu: "1" } } }, ["spec.resources"]],
    [{ someFieldOfTomorrow: 1 }, ["spec.someFieldOfTomorrow"]],
    [{ volumes: [{ name: "v", nfs: { server: "s", path: "/" } }] }, [
      "spec.volumes[0].nfs",
    ]],
    [
      {
        volumes: [{ name: "v" }, {
          name: "w",
          persistentVolumeClaim: { claimName: "c" },
        }],
      },
      ["spec.volumes[1].persistentVolumeClaim"],
    ],
    [{ volumes: [{ name: "v", emptyDir: { medium: "HugePages" } }] }, [
      "spec.volumes[0].emptyDir.medium",
    ]],
    [container({ ports: [{ containerPort: 1, hostPort: 2 }] }), [
      "spec.containers[0].ports[0].hostPort",
    ]],
    [container({ volumeDevices: [{ name: "d", devicePath: "/d" }] }), [
      "spec.containers[0].volumeDevices",
    ]],
    [
      container({
        volumeMounts: [{ name: "v", mountPath: "/v", subPathExpr: "$(A)" }],
      }),
      ["spec.containers[0].volumeMounts[0].subPathExpr"],
    ],
    [container({ resources: { limits: { "nvidia.com/gpu": "1" } } }), [
      "spec.containers[0].resources.limits.nvidia.com/gpu",
    ]],
    [
      container({
        securityContext: {
          seccompProfile: { type: "Localhost", localhostProfile: "p" },
          seLinuxOptions: { level: "s0" },
        },
      }),
      [
        "spec.containers[0].securityContext.seccompProfile.type",
        "spec.containers[0].securityContext.seccompProfile.localhostProfile",
        "spec.containers[0].securityContext.seLinuxOptions",
      ],
    ],
    [container({ livenessProbe: { grpc: { port: 1 } } }), [
      "spec.containers[0].livenessProbe.grpc",
    ]],
    [container({ lifecycle: { preStop: { tcpSocket: { port: 1 } } } }), [
      "spec.containers[0].lifecycle.preStop.tcpSocket",
    ]],
    [
      container({
        env: [{
          name: "A",
          valueFrom: { fileKeyRef: { volumeName: "v", key: "k", path: "p" } },
        }],
      }),
      ["spec.containers[0].env[0].valueFrom.fileKeyRef"],
    ],
    [
      container({
        env: [{
          name: "A",
          valueFrom: { fieldRef: { fieldPath: "status.x" } },
        }],
      }),
      ["spec.containers[0].env[0].valueFrom.fieldRef.fieldPath"],
    ],
    [{ ephemeralContainers: [{ name: "d", image: "i" }] }, [
      "spec.ephemeralContainers",
    ]],
  ];
  for (const [fields, expected] of cases) {
    const found = findUnsupportedFields(
      pod(fields as Partial<Pod["spec"]>),
      CAPABILITIES,
    );
    assert.deepEqual(found, expected, JSON.stringify(fields));
  }
});

Deno.test("findUnsupportedFields() returns probes as a whole when the agent runs none", () => {
  assert.deepEqual(findUnsupportedFields(DEFAULTED, ["pods.v1"]), [
    "spec.containers[0].livenessProbe",
  ]);
});

Deno.test("findUnsupportedFields() accepts the hostPort that the API server sets with hostNetwork", () => {
  const hostNetwork = true;
  const containers = [{
    name: "app",
    image: "i",
    ports: [{ containerPort: 80, hostPort: 80 }],
  }];
  assert.deepEqual(
    findUnsupportedFields(pod({ hostNetwork, containers }), CAPABILITIES),
    [],
  );
});

Deno.test("findUnsupportedFields() ignores unknown fields without content", () => {
  const spec = { overhead: {}, resourceClaims: [], runtimeClassName: null };
  const judged = pod(spec as unknown as Partial<Pod["spec"]>);
  assert.deepEqual(findUnsupportedFields(judged, CAPABILITIES), []);
});

// SPDX-License-Identifier: Apache-2.0
/** Environment variables from all sources, and their expansion. */
import {
  type CaseObject,
  type ContainerFields,
  type PodCase,
  type PodFields,
  READY,
  SUCCEEDED,
} from "../pod_case.ts";
import { IMAGES } from "../../world/mod.ts";
import { podOf, shell } from "./containers.ts";

const ENV = "env | sort";
const shows = (
  container: Partial<ContainerFields>,
  fields: Partial<PodFields> = {},
) => podOf(shell(ENV, container), { restartPolicy: "Never", ...fields });
const logged = [SUCCEEDED, { as: "env", logs: [] }];
const config: CaseObject = {
  kind: "ConfigMap",
  metadata: { name: "env-config" },
  data: {
    ONE: "1",
    two: "second line\nof two",
    "9": "x",
    "dotted.key": "y",
  },
};
const secret: CaseObject = {
  kind: "Secret",
  metadata: { name: "env-secret" },
  stringData: { PASSWORD: "open sesame", ONE: "from the Secret" },
};
const objects = [config, secret];
const field = (name: string, fieldPath: string) => ({
  name,
  valueFrom: { fieldRef: { fieldPath } },
});
const resource = (name: string, resourceName: string, fields = {}) => ({
  name,
  valueFrom: { resourceFieldRef: { resource: resourceName, ...fields } },
});
const METADATA = {
  labels: { app: "x", tier: "front" },
  annotations: { note: 'with "quotes"\nand lines' },
};

/** What a program finds in its environment. */
export const ENVIRONMENT: PodCase[] = [
  { name: "env-none", spec: shows({}), steps: logged, isFast: true },
  {
    name: "env-no-links",
    spec: shows({}, { enableServiceLinks: false }),
    steps: logged,
    isFast: true,
  },
  {
    name: "env-values",
    spec: shows({
      env: [{ name: "A", value: "a b" }, { name: "EMPTY" }, {
        name: "LINES",
        value: "x\ny",
      }, { name: "A", value: "last" }],
    }),
    steps: logged,
    isFast: true,
  },
  {
    name: "env-expansion",
    spec: shows({
      env: [
        { name: "A", value: "1" },
        { name: "B", value: "$(A)2" },
        { name: "LATER", value: "$(Z)" },
        { name: "ESCAPED", value: "$$(A)" },
        { name: "OPEN", value: "$(A" },
        { name: "HOST", value: "$(KUBERNETES_SERVICE_HOST)" },
        { name: "Z", value: "z" },
      ],
    }),
    steps: logged,
    isFast: true,
  },
  {
    name: "args-expansion",
    spec: podOf(
      shell("", {
        command: ["echo", "$(A)"],
        args: ["$(B)", "$$(A)", "$A", "$(A)$(A)"],
        env: [{ name: "A", value: "one" }],
      }),
      { restartPolicy: "Never" },
    ),
    steps: logged,
    isFast: true,
  },
  {
    name: "env-from-configmap",
    objects,
    spec: shows({ envFrom: [{ configMapRef: { name: "env-config" } }] }),
    steps: logged,
    isFast: true,
  },
  {
    name: "env-from-secret-prefix",
    objects,
    spec: shows({
      envFrom: [{ prefix: "P_", secretRef: { name: "env-secret" } }],
    }),
    steps: logged,
    isFast: true,
  },
  {
    name: "env-from-both-and-own",
    objects,
    spec: shows({
      envFrom: [{ configMapRef: { name: "env-config" } }, {
        secretRef: { name: "env-secret" },
      }],
      env: [{ name: "ONE", value: "own $(PASSWORD)" }],
    }),
    steps: logged,
  },
  {
    name: "env-key-refs",
    objects,
    spec: shows({
      env: [{
        name: "K",
        valueFrom: { configMapKeyRef: { name: "env-config", key: "two" } },
      }, {
        name: "S",
        valueFrom: { secretKeyRef: { name: "env-secret", key: "PASSWORD" } },
      }],
    }),
    steps: logged,
    isFast: true,
  },
  {
    name: "env-optional-absent",
    objects,
    spec: shows({
      envFrom: [{ configMapRef: { name: "absent", optional: true } }],
      env: [{
        name: "K",
        valueFrom: {
          configMapKeyRef: {
            name: "env-config",
            key: "absent",
            optional: true,
          },
        },
      }],
    }),
    steps: logged,
    isFast: true,
  },
  {
    name: "env-fields",
    metadata: METADATA,
    spec: shows({
      env: [
        field("NAME", "metadata.name"),
        field("NS", "metadata.namespace"),
        field("UID_", "metadata.uid"),
        field("NODE", "spec.nodeName"),
        field("ACCOUNT", "spec.serviceAccountName"),
        field("HOST", "status.hostIP"),
        field("HOSTS", "status.hostIPs"),
        field("IP", "status.podIP"),
        field("IPS", "status.podIPs"),
        field("APP", "metadata.labels['app']"),
        field("NOTE", "metadata.annotations['note']"),
        field("NONE", "metadata.labels['none']"),
      ],
    }),
    steps: logged,
    isFast: true,
  },
  {
    name: "env-resources",
    spec: shows({
      resources: {
        requests: { cpu: "50m", memory: "16Mi" },
        limits: { cpu: "250m", memory: "32Mi" },
      },
      env: [
        resource("CPU_LIMIT", "limits.cpu"),
        resource("CPU_MILLI", "limits.cpu", { divisor: "1m" }),
        resource("CPU_REQUEST", "requests.cpu", { divisor: "1m" }),
        resource("MEMORY", "limits.memory"),
        resource("MEMORY_MI", "limits.memory", { divisor: "1Mi" }),
        resource("STORAGE", "requests.ephemeral-storage"),
      ],
    }),
    steps: logged,
  },
  {
    name: "env-resources-without-limit",
    spec: shows({
      env: [
        resource("CPU_LIMIT", "limits.cpu"),
        resource("CPU_REQUEST", "requests.cpu"),
      ],
    }),
    steps: logged,
  },
  {
    name: "env-of-image",
    spec: {
      restartPolicy: "Never",
      containers: [{ name: "c", image: IMAGES.configured }],
    },
    steps: logged,
    isFast: true,
  },
  {
    name: "env-over-image",
    spec: {
      restartPolicy: "Never",
      containers: [{
        name: "c",
        image: IMAGES.configured,
        env: [{ name: "WORD", value: "own" }],
      }],
    },
    steps: logged,
  },
  {
    name: "args-of-image",
    spec: {
      restartPolicy: "Never",
      containers: [{
        name: "c",
        image: IMAGES.configured,
        args: ["echo only args; id; pwd"],
      }],
    },
    steps: logged,
  },
  {
    name: "working-dir",
    spec: podOf(shell("pwd; ls -ld .", { workingDir: "/made/here" }), {
      restartPolicy: "Never",
    }),
    steps: logged,
  },
  {
    name: "env-200-variables",
    spec: shows({
      env: Array.from(
        { length: 200 },
        (_, index) => ({ name: `VARIABLE_${index}`, value: "x".repeat(200) }),
      ),
    }),
    steps: logged,
  },
  {
    name: "env-services",
    objects: [{
      kind: "Service",
      metadata: { name: "env-service" },
      spec: {
        clusterIP: "10.96.77.7",
        ports: [{ name: "web", port: 80 }, { name: "tls", port: 443 }],
      },
    }],
    spec: shows({}),
    steps: logged,
  },
  {
    name: "env-new-value-after-restart",
    objects: [{
      kind: "ConfigMap",
      metadata: { name: "env-changes" },
      data: { K: "old" },
    }],
    spec: podOf(
      shell(
        "echo K=$K; test -f /v/go && sleep 3600; touch /v/go; sleep 2; exit 1",
        {
          env: [{
            name: "K",
            valueFrom: { configMapKeyRef: { name: "env-changes", key: "K" } },
          }],
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        },
      ),
      { volumes: [{ name: "v", emptyDir: {} }] },
    ),
    steps: [
      READY,
      {
        apply: [{
          kind: "ConfigMap",
          metadata: { name: "env-changes" },
          data: { K: "new" },
        }],
      },
      { until: { restarts: 1 } },
      { until: { started: "c" } },
      { as: "log", logs: [] },
    ],
  },
];

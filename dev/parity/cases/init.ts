// SPDX-License-Identifier: Apache-2.0
/** Init containers and sidecars: order, failures, restarts, end. */
import { FAILED, type PodCase, READY, SUCCEEDED } from "../pod_case.ts";
import { job, server, service, sh, shell } from "./containers.ts";

const init = (name: string, script: string, fields = {}) =>
  shell(script, { name, ...fields });
const sidecar = (name: string, fields = {}) =>
  server({ name, restartPolicy: "Always", ...fields });
const shared = {
  volumes: [{ name: "v", emptyDir: {} }],
};
const mounted = { volumeMounts: [{ name: "v", mountPath: "/v" }] };
const noted = (text: string) => `echo ${text} >> /v/order`;

/** Init containers in order, sidecars beside them. */
export const INIT: PodCase[] = [
  {
    name: "init-one",
    spec: { ...service(), initContainers: [init("i", "echo first")] },
    steps: [READY, { as: "init log", logs: ["-c", "i"] }],
    isFast: true,
  },
  {
    name: "init-three-in-order",
    spec: {
      ...shared,
      initContainers: ["a", "b", "d"].map((name) =>
        init(name, noted(name), mounted)
      ),
      containers: [server(mounted)],
    },
    steps: [READY, { as: "order", exec: ["cat", "/v/order"] }],
    isFast: true,
  },
  {
    name: "init-job",
    spec: { ...job("exit 0"), initContainers: [init("i", "true")] },
    steps: [SUCCEEDED],
    isFast: true,
  },
  {
    name: "init-fails-never",
    spec: { ...job("exit 0"), initContainers: [init("i", "exit 9")] },
    steps: [FAILED],
    isFast: true,
  },
  {
    name: "init-fails-never-second",
    spec: {
      ...job("exit 0"),
      initContainers: [
        init("i", "exit 0"),
        init("k", "exit 2"),
        init("l", "exit 0"),
      ],
    },
    steps: [FAILED],
    isFast: true,
  },
  {
    name: "init-fails-always",
    spec: { ...service(), initContainers: [init("i", "exit 1")] },
    steps: [{ until: { restarts: 1 } }, {
      until: { waiting: "CrashLoopBackOff" },
    }],
  },
  {
    name: "init-fails-onfailure",
    spec: {
      ...job("exit 0", { restartPolicy: "OnFailure" }),
      initContainers: [init("i", "exit 1")],
    },
    steps: [{ until: { restarts: 1 } }, {
      until: { waiting: "CrashLoopBackOff" },
    }],
  },
  {
    name: "init-runs",
    spec: { ...service(), initContainers: [init("i", "sleep 3600")] },
    steps: [
      { until: { started: "i" } },
      { as: "main log", logs: ["-c", "c"] },
      { as: "main exec", exec: ["true"], flags: ["-c", "c"] },
    ],
  },
  {
    name: "init-image-absent",
    spec: {
      ...service(),
      initContainers: [
        init("i", "true", {
          image: "127.0.0.1:9/absent:1",
          imagePullPolicy: "Never",
        }),
      ],
    },
    steps: [{ until: { waiting: "ErrImageNeverPull" } }],
  },
  {
    name: "init-command-absent",
    spec: {
      ...service({}, { restartPolicy: "Never" }),
      initContainers: [init("i", "", { command: ["/absent"] })],
    },
    steps: [FAILED],
  },
  {
    name: "sidecar-one",
    spec: { ...service(), initContainers: [sidecar("s")] },
    isFast: true,
  },
  {
    name: "sidecar-between-inits",
    spec: {
      ...shared,
      initContainers: [
        init("i", noted("i"), mounted),
        sidecar("s", mounted),
        init("k", noted("k"), mounted),
      ],
      containers: [server(mounted)],
    },
    steps: [READY, { as: "order", exec: ["cat", "/v/order"] }],
  },
  {
    name: "sidecar-of-job",
    spec: { ...job("exit 0"), initContainers: [sidecar("s")] },
    steps: [SUCCEEDED],
  },
  {
    name: "sidecar-of-failed-job",
    spec: { ...job("exit 4"), initContainers: [sidecar("s")] },
    steps: [FAILED],
  },
  {
    name: "sidecar-exits",
    spec: {
      ...service(),
      initContainers: [
        shell("sleep 1; exit 0", { name: "s", restartPolicy: "Always" }),
      ],
    },
    steps: [READY, { until: { restarts: 1 } }],
  },
  {
    name: "sidecar-not-ready",
    spec: {
      ...service(),
      initContainers: [
        sidecar("s", {
          readinessProbe: { exec: { command: ["false"] }, periodSeconds: 1 },
        }),
      ],
    },
    steps: [{ until: { started: "c" } }, { until: { event: "Unhealthy" } }],
  },
  {
    name: "sidecar-startup-probe",
    spec: {
      ...service(),
      initContainers: [
        sidecar("s", {
          startupProbe: {
            exec: {
              command: sh("test -f /tmp/up || { touch /tmp/up; exit 1; }"),
            },
            periodSeconds: 1,
            failureThreshold: 10,
          },
        }),
      ],
    },
  },
  {
    name: "sidecar-startup-fails",
    spec: {
      ...service(),
      initContainers: [
        sidecar("s", {
          startupProbe: {
            exec: { command: ["false"] },
            periodSeconds: 1,
            failureThreshold: 2,
          },
        }),
      ],
    },
    steps: [{ until: { restarts: 1 } }],
  },
  {
    name: "sidecars-stop-in-order",
    spec: {
      ...shared,
      terminationGracePeriodSeconds: 6,
      initContainers: ["s", "t"].map((name) =>
        shell(`trap 'exit 0' TERM; while :; do sleep 1; done`, {
          name,
          restartPolicy: "Always",
        })
      ),
      containers: [server()],
    },
  },
  {
    name: "sidecar-image-absent",
    spec: {
      ...service(),
      initContainers: [
        sidecar("s", { image: "aranya-test/none:1", imagePullPolicy: "Never" }),
      ],
    },
    steps: [{ until: { waiting: "ErrImageNeverPull" } }],
  },
];

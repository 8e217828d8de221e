// SPDX-License-Identifier: Apache-2.0
/** Phases, restart policies, exit codes and signals; several containers. */
import { FAILED, type PodCase, RUNNING, SUCCEEDED } from "../pod_case.ts";
import { job, podOf, server, service, sh, shell } from "./containers.ts";

const restartedOnce = { until: { restarts: 1 } };
const backingOff = { until: { waiting: "CrashLoopBackOff" } };

/** How containers end, and what becomes of the pod. */
export const PHASES: PodCase[] = [
  {
    name: "never-exit-0",
    spec: job("echo done"),
    steps: [SUCCEEDED],
    isFast: true,
  },
  {
    name: "never-exit-1",
    spec: job("echo bad; exit 1"),
    steps: [FAILED],
    isFast: true,
  },
  { name: "never-exit-42", spec: job("exit 42"), steps: [FAILED] },
  { name: "never-exit-255", spec: job("exit 255"), steps: [FAILED] },
  {
    name: "never-signal-term",
    spec: job("sh -c 'kill -TERM $PPID'; sleep 1; exit 143"),
    steps: [FAILED],
  },
  { name: "never-exit-137", spec: job("exit 137"), steps: [FAILED] },
  {
    name: "never-killed-by-exec",
    spec: podOf(shell("sleep 3600 & wait $!"), { restartPolicy: "Never" }),
    steps: [RUNNING, { as: "kill", exec: sh("kill $(pidof sleep)") }, FAILED],
  },
  {
    name: "never-segfault",
    spec: job("sh -c 'kill -SEGV $$'; exit $?"),
    steps: [FAILED],
  },
  {
    name: "never-out-of-memory",
    spec: podOf(
      shell("head -c 60000000 /dev/zero | tail", {
        resources: { limits: { memory: "20Mi" } },
      }),
      { restartPolicy: "Never" },
    ),
    steps: [{ until: { terminated: "c" } }],
  },
  {
    name: "onfailure-exit-0",
    spec: job("exit 0", { restartPolicy: "OnFailure" }),
    steps: [SUCCEEDED],
    isFast: true,
  },
  {
    name: "onfailure-exit-1",
    spec: job("exit 1", { restartPolicy: "OnFailure" }),
    steps: [restartedOnce, backingOff],
  },
  {
    name: "onfailure-heals",
    spec: podOf(
      shell("test -f /v/once && exit 0; touch /v/once; exit 3", {
        volumeMounts: [{ name: "v", mountPath: "/v" }],
      }),
      { restartPolicy: "OnFailure", volumes: [{ name: "v", emptyDir: {} }] },
    ),
    steps: [SUCCEEDED],
  },
  {
    name: "always-exit-0",
    spec: job("exit 0", { restartPolicy: "Always" }),
    steps: [restartedOnce, backingOff],
  },
  {
    name: "always-exit-1",
    spec: job("echo $RANDOM >/dev/null; exit 1", { restartPolicy: "Always" }),
    steps: [restartedOnce, backingOff],
  },
  { name: "always-runs", spec: service(), isFast: true },
  {
    name: "always-one-of-two-exits",
    spec: {
      containers: [server({ name: "a" }), shell("exit 0", { name: "b" })],
    },
    steps: [restartedOnce, backingOff],
  },
  {
    name: "never-two-succeed",
    spec: {
      restartPolicy: "Never",
      containers: [
        shell("exit 0", { name: "a" }),
        shell("exit 0", { name: "b" }),
      ],
    },
    steps: [SUCCEEDED],
    isFast: true,
  },
  {
    name: "never-one-of-two-fails",
    spec: {
      restartPolicy: "Never",
      containers: [
        shell("exit 0", { name: "a" }),
        shell("exit 7", { name: "b" }),
      ],
    },
    steps: [FAILED],
    isFast: true,
  },
  {
    name: "never-one-done-one-runs",
    spec: {
      restartPolicy: "Never",
      containers: [shell("exit 0", { name: "a" }), server({ name: "b" })],
    },
    steps: [{ until: { terminated: "a" } }, { until: { started: "b" } }],
  },
  {
    name: "never-one-failed-one-runs",
    spec: {
      restartPolicy: "Never",
      containers: [shell("exit 5", { name: "a" }), server({ name: "b" })],
    },
    steps: [{ until: { terminated: "a" } }, { until: { started: "b" } }],
  },
  {
    name: "three-containers",
    spec: {
      containers: [
        server({ name: "a" }),
        server({ name: "b" }),
        server({ name: "d" }),
      ],
    },
    isFast: true,
  },
  {
    name: "deadline-running",
    spec: { ...service(), activeDeadlineSeconds: 4 },
    steps: [FAILED],
  },
  {
    name: "deadline-succeeded-before",
    spec: { ...job("exit 0"), activeDeadlineSeconds: 60 },
    steps: [SUCCEEDED],
  },
  {
    name: "deadline-two-containers",
    spec: {
      activeDeadlineSeconds: 4,
      containers: [server({ name: "a" }), shell("sleep 3600", { name: "b" })],
    },
    steps: [FAILED],
  },
  {
    name: "restart-rules",
    spec: podOf(
      shell("exit 42", {
        restartPolicy: "Never",
        restartPolicyRules: [{
          action: "Restart",
          exitCodes: { operator: "In", values: [42] },
        }],
      }),
      { restartPolicy: "Never" },
    ),
    steps: [restartedOnce, backingOff],
  },
  {
    name: "container-restart-never",
    spec: {
      containers: [
        server({ name: "a" }),
        shell("exit 3", { name: "b", restartPolicy: "Never" }),
      ],
    },
    steps: [{ until: { terminated: "b" } }, { until: { started: "a" } }],
  },
];

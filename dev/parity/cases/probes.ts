// SPDX-License-Identifier: Apache-2.0
/** Probes of all kinds, their thresholds and effects; hooks. */
import { type PodCase, READY, RUNNING } from "../pod_case.ts";
import { podOf, server, service, sh, shell } from "./containers.ts";

const HTTP = "mkdir -p /w; echo ok > /w/ok; exec httpd -f -p 8080 -h /w";
const probe = (kind: string, fields: object) => ({
  [`${kind}Probe`]: { periodSeconds: 1, ...fields },
});
const exec = (command: string[]) => ({ exec: { command } });
const get = (path: string, fields = {}) => ({
  httpGet: { path, port: 8080, ...fields },
});
const unhealthy = { until: { event: "Unhealthy" } };
const web = (fields: object) => podOf(shell(HTTP, fields));
const ports = { ports: [{ name: "web", containerPort: 8080 }] };

/** Startup, readiness and liveness by exec, HTTP, TCP and gRPC. */
export const PROBES: PodCase[] = [
  {
    name: "ready-exec-passes",
    spec: service(probe("readiness", exec(["true"]))),
    isFast: true,
  },
  {
    name: "ready-exec-fails",
    spec: service(probe("readiness", exec(sh("echo not yet; exit 1")))),
    steps: [RUNNING, unhealthy],
    isFast: true,
  },
  {
    name: "ready-exec-no-output",
    spec: service(probe("readiness", exec(["false"]))),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "ready-exec-absent",
    spec: service(probe("readiness", exec(["/absent"]))),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "ready-exec-timeout",
    spec: service(
      probe("readiness", { ...exec(["sleep", "20"]), timeoutSeconds: 1 }),
    ),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "ready-exec-long-output",
    spec: service(
      probe(
        "readiness",
        exec(sh("head -c 20000 /dev/zero | tr '\\0' x; exit 1")),
      ),
    ),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "ready-changes",
    spec: service(probe("readiness", exec(["test", "-f", "/tmp/ok"]))),
    steps: [unhealthy, { as: "touch", exec: ["touch", "/tmp/ok"] }, READY, {
      as: "remove",
      exec: ["rm", "/tmp/ok"],
    }, { until: { started: "c" } }],
  },
  {
    name: "ready-success-threshold",
    spec: service(
      probe("readiness", { ...exec(["true"]), successThreshold: 3 }),
    ),
  },
  {
    name: "ready-initial-delay",
    spec: service(
      probe("readiness", { ...exec(["true"]), initialDelaySeconds: 3 }),
    ),
  },
  {
    name: "ready-http",
    spec: web(probe("readiness", get("/ok"))),
    isFast: true,
  },
  {
    name: "ready-http-named-port",
    spec: web({
      ...ports,
      ...probe("readiness", { httpGet: { path: "/ok", port: "web" } }),
    }),
    isFast: true,
  },
  {
    name: "ready-http-404",
    spec: web(probe("readiness", get("/absent"))),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "ready-http-refused",
    spec: service(probe("readiness", get("/"))),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "ready-http-unknown-port",
    spec: service(
      probe("readiness", { httpGet: { path: "/", port: "absent" } }),
    ),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "ready-https-plain",
    spec: web(probe("readiness", get("/ok", { scheme: "HTTPS" }))),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "ready-tcp",
    spec: web(probe("readiness", { tcpSocket: { port: 8080 } })),
    isFast: true,
  },
  {
    name: "ready-tcp-refused",
    spec: service(probe("readiness", { tcpSocket: { port: 8081 } })),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "ready-grpc-refused",
    spec: service(probe("readiness", { grpc: { port: 9000 } })),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "live-exec-fails",
    spec: service(
      probe("liveness", { ...exec(["false"]), failureThreshold: 2 }),
    ),
    steps: [{ until: { restarts: 1 } }],
  },
  {
    name: "live-exec-fails-own-grace",
    spec: {
      ...podOf(
        shell(
          "sleep 3600",
          probe("liveness", {
            ...exec(["false"]),
            failureThreshold: 1,
            terminationGracePeriodSeconds: 1,
          }),
        ),
      ),
      terminationGracePeriodSeconds: 20,
    },
    steps: [{ until: { restarts: 1 } }, { remove: ["--grace-period=1"] }],
  },
  {
    name: "live-http-fails",
    spec: web(probe("liveness", { ...get("/absent"), failureThreshold: 1 })),
    steps: [{ until: { restarts: 1 } }],
  },
  {
    name: "live-fails-never",
    spec: service(
      probe("liveness", { ...exec(["false"]), failureThreshold: 1 }),
      { restartPolicy: "Never" },
    ),
    steps: [{ until: { terminated: "c" } }],
  },
  {
    name: "startup-passes-later",
    spec: service(
      probe("startup", {
        ...exec(sh("test -f /tmp/up || { touch /tmp/up; exit 1; }")),
        failureThreshold: 20,
      }),
    ),
  },
  {
    name: "startup-fails",
    spec: service(
      probe("startup", { ...exec(["false"]), failureThreshold: 2 }),
    ),
    steps: [{ until: { restarts: 1 } }],
  },
  {
    name: "startup-holds-others",
    spec: service({
      ...probe("startup", { ...exec(["false"]), failureThreshold: 100 }),
      ...probe("liveness", { ...exec(["false"]), failureThreshold: 1 }),
    }),
    steps: [RUNNING, unhealthy],
  },
  {
    name: "gate-not-set",
    spec: {
      ...service(),
      readinessGates: [{ conditionType: "example.org/ok" }],
    },
    steps: [{ until: { started: "c" } }],
    isFast: true,
  },
  {
    name: "gate-set",
    spec: {
      ...service(),
      readinessGates: [{ conditionType: "example.org/ok" }],
    },
    steps: [{ until: { started: "c" } }, {
      subresource: "status",
      patch: {
        status: { conditions: [{ type: "example.org/ok", status: "True" }] },
      },
    }, READY],
  },
];

const note = (text: string) => `echo ${text} > /proc/1/fd/1`;
const hook = (kind: "postStart" | "preStop", handler: object) => ({
  lifecycle: { [kind]: handler },
});

/** postStart and preStop. */
export const HOOKS: PodCase[] = [
  {
    name: "post-start-exec",
    spec: service(hook("postStart", exec(sh(note("started"))))),
    steps: [READY, { as: "log", logs: [] }],
    isFast: true,
  },
  {
    name: "post-start-fails",
    spec: service(hook("postStart", exec(sh("echo broken; exit 3")))),
    steps: [{ until: { event: "FailedPostStartHook" } }, {
      until: { waiting: "CrashLoopBackOff" },
    }],
  },
  {
    name: "post-start-absent",
    spec: service(hook("postStart", exec(["/absent"]))),
    steps: [{ until: { event: "FailedPostStartHook" } }],
  },
  {
    name: "post-start-http-refused",
    spec: service(hook("postStart", get("/"))),
    steps: [{ until: { event: "FailedPostStartHook" } }],
  },
  {
    name: "post-start-slow",
    spec: service(hook("postStart", exec(["sleep", "3"]))),
  },
  {
    name: "post-start-sleep",
    spec: {
      ...service(hook("postStart", { sleep: { seconds: 2 } })),
      terminationGracePeriodSeconds: 5,
    },
  },
  {
    name: "pre-stop-exec",
    spec: {
      ...service(hook("preStop", exec(["sleep", "1"]))),
      terminationGracePeriodSeconds: 5,
    },
  },
  {
    name: "pre-stop-fails",
    spec: {
      ...service(hook("preStop", exec(sh("echo broken; exit 3")))),
      terminationGracePeriodSeconds: 5,
    },
  },
  {
    name: "pre-stop-longer-than-grace",
    spec: {
      ...service(hook("preStop", exec(["sleep", "60"]))),
      terminationGracePeriodSeconds: 2,
    },
  },
  {
    name: "pre-stop-http-refused",
    spec: {
      ...service(hook("preStop", get("/"))),
      terminationGracePeriodSeconds: 5,
    },
  },
  {
    name: "pre-stop-sleep",
    spec: {
      ...service(hook("preStop", { sleep: { seconds: 1 } })),
      terminationGracePeriodSeconds: 5,
    },
  },
  {
    name: "stop-signal",
    spec: {
      ...podOf(
        server({
          lifecycle: { stopSignal: "SIGUSR1" },
          command: sh(
            "trap 'echo usr1 > /dev/termination-log; exit 7' USR1; while :; do sleep 1; done",
          ),
        }),
      ),
      os: { name: "linux" },
      terminationGracePeriodSeconds: 6,
    },
  },
];

// SPDX-License-Identifier: Apache-2.0
/** Logs, exec, attach and terminals, with their errors; deletion. */
import {
  type PodCase,
  type PodStep,
  READY,
  RUNNING,
  SERVE,
  SUCCEEDED,
} from "../pod_case.ts";
import { job, podOf, server, service, sh, shell } from "./containers.ts";

const LINES =
  "for i in 1 2 3 4 5; do echo line $i; done; sleep 0.3; echo to stderr >&2; ";
const logs = (as: string, ...args: string[]): PodStep => ({ as, logs: args });

/** Output of containers through kubectl logs. */
export const LOGS: PodCase[] = [
  {
    name: "logs-running",
    spec: podOf(shell(LINES + SERVE)),
    steps: [
      READY,
      logs("all"),
      logs("tail 2", "--tail=2"),
      logs("tail 0", "--tail=0"),
      logs("bytes", "--limit-bytes=10"),
      logs("timestamps", "--timestamps"),
      logs("since", "--since=1h"),
      logs("since time", "--since-time=2020-01-01T00:00:00Z"),
      logs("tail and bytes", "--tail=3", "--limit-bytes=9"),
    ],
    isFast: true,
  },
  {
    name: "logs-succeeded",
    spec: job(LINES),
    steps: [
      SUCCEEDED,
      logs("all"),
      logs("tail", "--tail=1"),
      logs("follow", "-f"),
      logs("previous", "-p"),
    ],
    isFast: true,
  },
  {
    name: "logs-previous",
    spec: podOf(shell("echo run; sleep 1; exit 1")),
    steps: [{ until: { restarts: 1 } }, logs("previous", "--previous"), {
      until: { waiting: "CrashLoopBackOff" },
    }, logs("now")],
  },
  {
    name: "logs-no-previous",
    spec: service(),
    steps: [READY, logs("previous", "-p")],
    isFast: true,
  },
  {
    name: "logs-two-containers",
    spec: {
      containers: [
        shell(`echo a; ${SERVE}`, { name: "a" }),
        shell(`echo b; ${SERVE}`, { name: "b" }),
      ],
    },
    steps: [
      READY,
      logs("default"),
      logs("b", "-c", "b"),
      logs("all", "--all-containers"),
      logs("absent", "-c", "absent"),
      logs("prefix", "--all-containers", "--prefix"),
    ],
  },
  {
    name: "logs-waiting",
    spec: podOf(
      server({ image: "aranya-test/none:1", imagePullPolicy: "Never" }),
    ),
    steps: [{ until: { waiting: "ErrImageNeverPull" } }, logs("waiting"), {
      as: "exec",
      exec: ["true"],
    }, logs("previous", "-p")],
  },
  {
    name: "logs-no-newline",
    spec: job("printf unfinished"),
    steps: [SUCCEEDED, logs("all"), logs("timestamps", "--timestamps")],
  },
  {
    name: "logs-long-line",
    spec: job("head -c 40000 /dev/zero | tr '\\0' x; echo; echo end"),
    steps: [
      SUCCEEDED,
      logs("tail", "--tail=1"),
      logs("tail 2", "--tail=2", "--limit-bytes=100"),
    ],
  },
  {
    name: "logs-empty",
    spec: service(),
    steps: [READY, logs("all"), logs("follow tail", "--tail=10")],
  },
  {
    name: "logs-tty",
    spec: podOf(
      shell(`echo one; sleep 0.2; echo two >&2; ${SERVE}`, { tty: true }),
    ),
    steps: [READY, logs("all")],
  },
  {
    name: "logs-stderr-only",
    spec: podOf(shell(`echo err >&2; ${SERVE}`)),
    steps: [READY, logs("all")],
  },
  {
    name: "logs-utf8",
    spec: podOf(shell(`printf 'gr\\303\\274n \\377\\n'; ${SERVE}`)),
    steps: [READY, logs("all")],
  },
];

/** kubectl exec: output, exit codes and error texts. */
export const EXECS: PodCase[] = [
  {
    name: "exec-results",
    spec: service(),
    steps: [
      READY,
      { as: "output", exec: sh("echo out; echo err >&2") },
      { as: "exit 3", exec: sh("exit 3") },
      { as: "signal", exec: sh("kill -9 $$") },
      { as: "stdin", exec: ["cat"], flags: ["-i"], stdin: "typed\n" },
      { as: "absent", exec: ["/absent"] },
      { as: "absent on path", exec: ["no-such"] },
      { as: "folder", exec: ["/etc"] },
      { as: "not executable", exec: ["/etc/passwd"] },
      { as: "many bytes", exec: sh("head -c 300000 /dev/zero | wc -c") },
    ],
    isFast: true,
  },
  {
    name: "exec-context",
    spec: service({
      workingDir: "/tmp",
      env: [{ name: "A", value: "1" }],
      securityContext: { runAsUser: 1000 },
    }),
    steps: [READY, {
      as: "context",
      exec: sh(
        "pwd; id; echo $A; echo $HOME; env | cut -d= -f1 | sort | grep -v KUBERNETES",
      ),
    }],
    isFast: true,
  },
  {
    name: "exec-root-home",
    spec: service(),
    steps: [READY, {
      as: "env",
      exec: sh(
        "echo $HOME; echo $PATH; echo $HOSTNAME; echo $TERM; env | wc -l",
      ),
    }],
  },
  {
    name: "exec-tty",
    spec: service(),
    steps: [READY, { as: "tty", exec: sh("tty; echo $TERM"), flags: ["-i"] }],
  },
  {
    name: "exec-absent-container",
    spec: service(),
    steps: [READY, { as: "absent", exec: ["true"], flags: ["-c", "absent"] }],
  },
  {
    name: "exec-completed",
    spec: job("true"),
    steps: [SUCCEEDED, { as: "completed", exec: ["true"] }],
  },
  {
    name: "exec-completed-container",
    spec: {
      restartPolicy: "Never",
      containers: [shell("exit 0", { name: "a" }), server()],
    },
    steps: [{ until: { terminated: "a" } }, { until: { started: "c" } }, {
      as: "completed",
      exec: ["true"],
      flags: ["-c", "a"],
    }],
  },
  {
    name: "exec-init-completed",
    spec: { ...service(), initContainers: [shell("true", { name: "i" })] },
    steps: [READY, { as: "completed", exec: ["true"], flags: ["-c", "i"] }],
  },
  {
    name: "exec-backing-off",
    spec: podOf(shell("exit 1")),
    steps: [{ until: { waiting: "CrashLoopBackOff" } }, {
      as: "waiting",
      exec: ["true"],
    }],
  },
  {
    name: "stdin-open",
    spec: podOf(shell("cat; echo closed; sleep 3600", { stdin: true })),
    steps: [RUNNING, {
      as: "fd",
      exec: sh("readlink /proc/1/fd/0 | cut -d: -f1"),
    }],
  },
  {
    name: "stdin-closed",
    spec: podOf(shell("cat; echo closed; sleep 3600")),
    steps: [READY, logs("closed")],
  },
  {
    name: "tty-of-container",
    spec: podOf(
      shell("tty; echo $TERM; stty size; sleep 3600", {
        tty: true,
        stdin: true,
      }),
    ),
    steps: [READY, {
      as: "processes",
      exec: sh("tty < /dev/console; ls -l /dev/console | cut -c1-10"),
    }],
  },
  {
    name: "processes",
    spec: service(),
    steps: [READY, {
      as: "processes",
      exec: sh("ps -o user,args | head -3"),
    }, { as: "parent", exec: sh("cat /proc/$$/status | grep PPid") }],
    isFast: true,
  },
  {
    name: "debug-container",
    spec: service(),
    steps: [
      READY,
      {
        subresource: "ephemeralcontainers",
        patch: {
          spec: {
            ephemeralContainers: [{
              name: "d",
              image: "busybox:1.35",
              command: sh(SERVE),
              targetContainerName: "c",
            }],
          },
        },
      },
      { until: { started: "d" } },
      { as: "exec", exec: ["hostname"], flags: ["-c", "d"] },
    ],
  },
];

/** What a pod does when it is deleted. */
export const DELETION: PodCase[] = [
  {
    name: "delete-obeys",
    spec: { ...service(), terminationGracePeriodSeconds: 30 },
    isFast: true,
  },
  {
    name: "delete-ignores",
    spec: {
      ...podOf(shell("trap '' TERM; while :; do sleep 1; done")),
      terminationGracePeriodSeconds: 3,
    },
  },
  {
    name: "delete-grace-given",
    spec: {
      ...podOf(shell("trap '' TERM; while :; do sleep 1; done")),
      terminationGracePeriodSeconds: 60,
    },
    steps: [READY, { remove: ["--grace-period=2"] }],
  },
  {
    name: "delete-forced",
    spec: {
      ...podOf(shell("trap '' TERM; while :; do sleep 1; done")),
      terminationGracePeriodSeconds: 60,
    },
    steps: [READY, { remove: ["--grace-period=0", "--force"] }],
  },
  {
    name: "delete-now",
    spec: {
      ...podOf(shell("trap '' TERM; while :; do sleep 1; done")),
      terminationGracePeriodSeconds: 60,
    },
    steps: [READY, { remove: ["--now"] }],
  },
  {
    name: "delete-grace-0-in-spec",
    spec: {
      ...podOf(shell("trap '' TERM; while :; do sleep 1; done")),
      terminationGracePeriodSeconds: 0,
    },
  },
  {
    name: "delete-exit-code",
    spec: {
      ...podOf(shell("trap 'sleep 1; exit 9' TERM; while :; do sleep 1; done")),
      terminationGracePeriodSeconds: 10,
    },
  },
  {
    name: "delete-succeeded",
    spec: job("true"),
    steps: [SUCCEEDED],
    isFast: true,
  },
  {
    name: "delete-two-containers",
    spec: {
      terminationGracePeriodSeconds: 4,
      containers: [
        server({ name: "a" }),
        shell("trap 'exit 3' TERM; while :; do sleep 1; done", { name: "b" }),
      ],
    },
  },
  {
    name: "delete-never-policy",
    spec: {
      ...service({}, { restartPolicy: "Never" }),
      terminationGracePeriodSeconds: 5,
    },
  },
  {
    name: "delete-job-exit-0",
    spec: {
      ...podOf(shell("trap 'exit 0' TERM; while :; do sleep 1; done"), {
        restartPolicy: "OnFailure",
      }),
      terminationGracePeriodSeconds: 5,
    },
  },
  {
    name: "delete-while-pulling-fails",
    spec: podOf(server({ image: "127.0.0.1:9/absent:1" })),
    steps: [{ until: { waiting: "ErrImagePull" } }],
  },
  {
    name: "delete-while-init",
    spec: {
      ...service(),
      initContainers: [shell("sleep 3600", { name: "i" })],
    },
    steps: [{ until: { started: "i" } }],
  },
  {
    name: "delete-while-volume-absent",
    spec: {
      containers: [server({ volumeMounts: [{ name: "v", mountPath: "/v" }] })],
      volumes: [{ name: "v", secret: { secretName: "absent" } }],
    },
    steps: [{ until: { event: "FailedMount" } }],
  },
  {
    name: "delete-crash-looping",
    spec: podOf(shell("exit 1")),
    steps: [{ until: { waiting: "CrashLoopBackOff" } }],
  },
  {
    name: "delete-not-ready",
    spec: service({
      readinessProbe: { exec: { command: ["false"] }, periodSeconds: 1 },
    }),
    steps: [RUNNING],
  },
  {
    name: "delete-finalizer",
    metadata: { finalizers: ["example.org/hold"] },
    spec: service(),
    steps: [
      READY,
      { remove: [] },
      { until: { terminated: "c" } },
      { patch: { metadata: { finalizers: null } } },
    ],
  },
];

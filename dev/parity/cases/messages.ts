// SPDX-License-Identifier: Apache-2.0
/** Termination messages. */
import { FAILED, type PodCase, SUCCEEDED } from "../pod_case.ts";
import { podOf, shell } from "./containers.ts";

const once = (script: string, fields: object = {}) =>
  podOf(shell(script, fields), { restartPolicy: "Never" });
const fallback = { terminationMessagePolicy: "FallbackToLogsOnError" };

/** What a container leaves behind in its state. */
export const MESSAGES: PodCase[] = [
  {
    name: "message-file",
    spec: once("echo from the file > /dev/termination-log; exit 1"),
    steps: [FAILED],
    isFast: true,
  },
  {
    name: "message-file-exit-0",
    spec: once("printf fine > /dev/termination-log"),
    steps: [SUCCEEDED],
    isFast: true,
  },
  {
    name: "message-other-path",
    spec: once("echo elsewhere > /tmp/m; exit 1", {
      terminationMessagePath: "/tmp/m",
    }),
    steps: [FAILED],
    isFast: true,
  },
  {
    name: "message-too-long",
    spec: once(
      "head -c 9000 /dev/zero | tr '\\0' a > /dev/termination-log; exit 1",
    ),
    steps: [FAILED],
  },
  {
    name: "message-fallback",
    spec: once("for i in $(seq 200); do echo line $i; done; exit 1", fallback),
    steps: [FAILED],
  },
  {
    name: "message-fallback-long-line",
    spec: once("head -c 5000 /dev/zero | tr '\\0' b; exit 1", fallback),
    steps: [FAILED],
  },
  {
    name: "message-fallback-not-used",
    spec: once("echo log; exit 0", fallback),
    steps: [SUCCEEDED],
    isFast: true,
  },
  {
    name: "message-fallback-file-first",
    spec: once("echo log; echo file > /dev/termination-log; exit 1", fallback),
    steps: [FAILED],
    isFast: true,
  },
  {
    name: "message-binary",
    spec: once("printf 'a\\377\\000b' > /dev/termination-log; exit 1"),
    steps: [FAILED],
  },
  {
    name: "message-many-containers",
    spec: {
      restartPolicy: "Never",
      containers: ["a", "b", "d"].map((name) =>
        shell(
          `head -c 6000 /dev/zero | tr '\\0' ${name} > /dev/termination-log; exit 1`,
          { name },
        )
      ),
    },
    steps: [FAILED],
  },
];

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { parseAgentConfig } from "../../../lib/shared/config/mod.ts";
import {
  ENDPOINTS,
  ENDPOINTS_OF_AGENT,
  NO_ENDPOINTS,
} from "../base/_support/endpoint_texts.ts";

const CREDENTIAL = Buffer.alloc(32, 7).toString("base64");
const PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

const parse = (text: string) =>
  parseAgentConfig(text, { file: "/etc/aranya/agent.yaml" });

/** Returns the problems that the error of `parseAgentConfig()` names. */
function problemsOf(text: string): string[] {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error);
    assert.equal(error.code, "invalid");
    const prefix = "Cannot read /etc/aranya/agent.yaml: ";
    assert.ok(error.message.startsWith(prefix), error.message);
    return error.message.slice(prefix.length).split("; ");
  }
  return [];
}

Deno.test("parseAgentConfig() fills in the defaults", () => {
  const config = parse(
    `device: edge-1\nendpoints: [operator:9443]\ncredential: ${CREDENTIAL}\n`,
  );
  assert.deepEqual(config, {
    device: "edge-1",
    endpoints: ["operator:9443"],
    credential: new Uint8Array(32).fill(7),
    insecure: false,
    host: { exec: true, attach: true, logs: true, portForward: true },
    pods: { privileged: true, hostPath: true, hostNamespaces: true },
    runtime: { docker: {} },
    eviction: {
      hard: {
        "memory.available": { count: 104_857_600, share: 0.1 },
        "nodefs.available": { share: 0.1 },
        "nodefs.inodesFree": { share: 0.05 },
        "imagefs.available": { share: 0.15 },
        "imagefs.inodesFree": { share: 0.05 },
      },
      pressureTransitionPeriodMs: 300_000,
    },
    stateDir: "/var/lib/aranya/edge-1",
    stateKeyFile: "/etc/aranya/edge-1.key",
    backoff: { initialDelayMs: 1000, maxDelayMs: 60_000, factor: 1.5 },
    offlineAfterMs: 40_000,
    warnings: [],
  });
});

Deno.test("parseAgentConfig() reads every key", () => {
  const config = parse(`
device: edge-1
endpoints:
  - 10.0.0.1:9443
  - "[fd00::1]:443"
ca: |
  ${PEM.trim().replaceAll("\n", "\n  ")}
credential: "${CREDENTIAL}"
serverName: edge.example
insecure: true
host: {exec: false, attach: false, logs: false, portForward: false, shell: /bin/ash, logFile: /var/log/messages}
pods: {privileged: false, hostPath: false, hostNamespaces: false}
runtime: {docker: {host: "unix:///run/docker.sock"}}
eviction:
  hard: {memory.available: 64Mi, nodefs.available: 5%, nodefs.inodesFree: 0, imagefs.available: 1.5G, imagefs.inodesFree: "1000"}
  pressureTransitionPeriod: 30s
stateDir: /data
stateKeyFile: /media/key
backoff: {initialDelay: 2s, maxDelay: 1m30s, factor: 2}
offlineAfter: 20s
`);
  assert.deepEqual(config, {
    device: "edge-1",
    endpoints: ["10.0.0.1:9443", "[fd00::1]:443"],
    ca: PEM,
    credential: new Uint8Array(32).fill(7),
    serverName: "edge.example",
    insecure: true,
    host: {
      exec: false,
      attach: false,
      logs: false,
      portForward: false,
      shell: "/bin/ash",
      logFile: "/var/log/messages",
    },
    pods: { privileged: false, hostPath: false, hostNamespaces: false },
    runtime: { docker: { host: "unix:///run/docker.sock" } },
    eviction: {
      hard: {
        "memory.available": { count: 67_108_864 },
        "nodefs.available": { share: 0.05 },
        "nodefs.inodesFree": { count: 0 },
        "imagefs.available": { count: 1_500_000_000 },
        "imagefs.inodesFree": { count: 1_000 },
      },
      pressureTransitionPeriodMs: 30_000,
    },
    stateDir: "/data",
    stateKeyFile: "/media/key",
    backoff: { initialDelayMs: 2000, maxDelayMs: 90_000, factor: 2 },
    offlineAfterMs: 20_000,
    warnings: [],
  });
});

/** Returns an agent.yaml with these endpoints. */
function withEndpoints(endpoints: readonly unknown[]): string {
  const list = JSON.stringify(endpoints);
  return `device: e\nendpoints: ${list}\ncredential: ${CREDENTIAL}\n`;
}

Deno.test("parseAgentConfig() accepts exactly the endpoints that can be dialled", () => {
  const { endpoints, warnings } = parse(
    withEndpoints([...ENDPOINTS, ...ENDPOINTS_OF_AGENT]),
  );
  assert.deepEqual(endpoints, [...ENDPOINTS, ...ENDPOINTS_OF_AGENT]);
  assert.deepEqual(warnings, []);
  for (const endpoint of NO_ENDPOINTS) {
    assert.deepEqual(problemsOf(withEndpoints([endpoint])), [
      'line 2: endpoints[0]: must be "host:port"',
    ]);
  }
});

Deno.test("parseAgentConfig() leaves out wrong endpoints among right ones, and names them as warnings", () => {
  const { endpoints, warnings } = parse(
    withEndpoints(["10.0.0.256:443", "b:2", 7, null, "c:3"]),
  );
  assert.deepEqual(endpoints, ["b:2", "c:3"]);
  assert.deepEqual(warnings, [
    'line 2: endpoints[0]: must be "host:port"',
    'line 2: endpoints[2]: must be "host:port"',
    "line 2: endpoints[3]: missing",
  ]);
});

Deno.test("parseAgentConfig() refuses endpoints of which none is right", () => {
  assert.deepEqual(problemsOf(withEndpoints(["a:0", null])), [
    'line 2: endpoints[0]: must be "host:port"',
    "line 2: endpoints[1]: missing",
  ]);
});

Deno.test("parseAgentConfig() names every problem with its line", () => {
  const problems = problemsOf(`# a comment
device: Edge_1
endpoints:
  - operator
  - operator:99999
  - 7
credential: c2hvcnQ=
colour: red
host:
  exec: yes please
  fly: true
stateDir: relative
backoff: {initialDelay: 5m, maxDelay: 1m, factor: 0}
offlineAfter: 10
eviction: {hard: {memory.available: 100MB, nodefs.available: 101%, imagefs.available: [1]}}
`);
  assert.deepEqual(problems, [
    "line 2: device: must be a name of lower-case letters, digits and dashes",
    'line 4: endpoints[0]: must be "host:port"',
    'line 5: endpoints[1]: must be "host:port"',
    'line 6: endpoints[2]: must be "host:port"',
    "line 7: credential: must be 32 bytes in base64",
    "line 8: colour: unknown key, expected one of device, endpoints, ca, credential, serverName, insecure, host, pods, runtime, eviction, stateDir, stateKeyFile, backoff, offlineAfter",
    "line 10: host.exec: must be true or false",
    "line 11: host.fly: unknown key, expected one of exec, attach, logs, portForward, shell, logFile",
    "line 12: stateDir: must be an absolute path",
    "line 13: backoff.maxDelay: must not be below initialDelay",
    "line 13: backoff.factor: must be a number, at least 1",
    'line 14: offlineAfter: must be a duration like "1m30s"',
    'line 15: eviction.hard.memory.available: must be like "100Mi" or "10%"',
    'line 15: eviction.hard.nodefs.available: must be like "100Mi" or "10%"',
    "line 15: eviction.hard.imagefs.available: must be a string or a number",
  ]);
});

Deno.test("parseAgentConfig() names missing and empty values", () => {
  assert.deepEqual(problemsOf(""), [
    "line 1: device: missing",
    "line 1: endpoints: missing",
    "line 1: credential: missing",
  ]);
  assert.deepEqual(problemsOf("device:\nendpoints: []\ncredential: ~\n"), [
    "line 1: device: missing",
    "line 2: endpoints: must be a list with at least one entry",
    "line 3: credential: missing",
  ]);
});

Deno.test("parseAgentConfig() rejects values of another kind", () => {
  assert.deepEqual(problemsOf("- a\n- b\n")[0], "line 1: must be a mapping");
  const text = `device: edge-1\nendpoints: {a: b}\ncredential: [1]\nhost: on\n`;
  assert.deepEqual(problemsOf(text), [
    "line 2: endpoints: must be a list with at least one entry",
    "line 3: credential: must be a string",
    "line 4: host: must be a mapping",
  ]);
});

Deno.test("parseAgentConfig() never quotes the credential", () => {
  for (
    const credential of ["top secret", "!!binary dG9wIHNlY3JldA==", '"top']
  ) {
    const text = `device: e\nendpoints: [a:1]\ncredential: ${credential}\n`;
    const problems = problemsOf(text);
    assert.ok(problems.length > 0);
    assert.doesNotMatch(problems.join(), /top|secret|dG9w/);
  }
});

Deno.test("parseAgentConfig() names the line of invalid YAML and of a duplicate key", () => {
  assert.match(problemsOf("device: edge-1\n\thost: x\n").join(), /line 2: /);
  const duplicate = problemsOf(
    `device: a\nendpoints: [a:1]\ncredential: ${CREDENTIAL}\ndevice: b\n`,
  );
  assert.deepEqual(duplicate, ["line 4: Map keys must be unique"]);
});

Deno.test("parseAgentConfig() rejects a text of more than 1000000 characters", () => {
  assert.match(problemsOf("#".repeat(1_000_001)).join(), /1000001 characters/);
});

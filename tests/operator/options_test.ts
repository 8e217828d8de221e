// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { parseOperatorOptions } from "../../lib/operator/options.ts";

Deno.test("parseOperatorOptions() has the documented defaults", () => {
  assert.deepEqual(parseOperatorOptions(["--mode", "operator"], {}), {
    kubeconfigFiles: [],
    namespace: undefined,
    hostAddresses: [],
    tenantNamespaces: [],
    grpcPort: 9443,
    kubeletPorts: { first: 20_000, last: 29_999 },
    httpPort: 8080,
    logLevel: "info",
  });
});

Deno.test("parseOperatorOptions() reads every flag; addresses may be repeated or joined", () => {
  const options = parseOperatorOptions([
    ...["--kubeconfig", "/k", "--namespace", "edge", "--grpc-port", "0"],
    ...["--host-address", "10.0.0.1,fd00::1", "--host-address", "10.0.0.2"],
    ...["--tenant-namespaces", "a, b", "--kubelet-ports=0", "--http-port=0"],
  ], { KUBECONFIG: "/other", POD_NAMESPACE: "pod" });
  assert.deepEqual(options.kubeconfigFiles, ["/k"]);
  assert.equal(options.namespace, "edge");
  assert.deepEqual(options.hostAddresses, ["10.0.0.1", "fd00::1", "10.0.0.2"]);
  assert.deepEqual(options.tenantNamespaces, ["a", "b"]);
  assert.deepEqual(options.kubeletPorts, { first: 0, last: 0 });
});

Deno.test("parseOperatorOptions() takes the level of --log-level, and --debug for debug", () => {
  const cases: [string[], string][] = [
    [["--debug"], "debug"],
    [["--log-level", "debug"], "debug"],
    [["--log-level=error"], "error"],
    [["--log-level", "warn", "--debug"], "warn"],
  ];
  for (const [args, level] of cases) {
    assert.equal(parseOperatorOptions(args, {}).logLevel, level, `${args}`);
  }
});

Deno.test("parseOperatorOptions() falls back to the environment", () => {
  const env = { KUBECONFIG: "/k::/l", POD_NAMESPACE: "pod" };
  const options = parseOperatorOptions(["--tenant-namespaces=*"], env);
  assert.deepEqual(options.kubeconfigFiles, ["/k", "/l"]);
  assert.equal(options.namespace, "pod");
  assert.equal(options.tenantNamespaces, "*");
});

Deno.test("parseOperatorOptions() rejects a wrong flag with its name and value", () => {
  const wrong: [string[], RegExp][] = [
    [["--frobnicate"], /^Cannot read flags: .*--frobnicate/],
    [["--grpc-port", "70000"], /--grpc-port: it is "70000", expected a port/],
    [["--kubelet-ports", "9-1"], /--kubelet-ports: it is "9-1"/],
    [
      ["--host-address", "edge.example"],
      /--host-address: it is "edge.example"/,
    ],
    [["--tenant-namespaces", "a,B"], /--tenant-namespaces: it is "B"/],
    [
      ["--log-level", "loud"],
      /--log-level: it is "loud", expected debug, info, warn or error/,
    ],
    [["stray"], /^Cannot read flags: /],
  ];
  for (const [args, message] of wrong) {
    assert.throws(() => parseOperatorOptions(args, {}), {
      code: "invalid",
      message,
    });
  }
});

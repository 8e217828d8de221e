// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../lib/shared/base/mod.ts";
import { parseOperatorOptions, runOperator } from "../../lib/operator/mod.ts";

const KUBECONFIG = `
apiVersion: v1
kind: Config
current-context: x
clusters: [{name: x, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: x, user: {token: none}}]
contexts: [{name: x, context: {cluster: x, user: x}}]
`;

function run(flags: string[], signal: AbortSignal) {
  return runOperator({
    options: parseOperatorOptions(["--http-port=0", ...flags], {}),
    version: "0.1.0",
    log: SILENT_LOGGER,
    signal,
  });
}

async function withKubeconfig(
  work: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, KUBECONFIG);
    await work(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("runOperator() rejects with the path of a kubeconfig that it can't read", async () => {
  await assert.rejects(
    run(["--kubeconfig=/nowhere"], AbortSignal.timeout(5000)),
    { code: "invalid", message: /\/nowhere/ },
  );
});

Deno.test("runOperator() rejects when no namespace is set", async () => {
  await withKubeconfig(async (path) => {
    await assert.rejects(
      run([`--kubeconfig=${path}`], AbortSignal.timeout(5000)),
      { code: "invalid", message: /--namespace/ },
    );
  });
});

Deno.test("runOperator() waits for an API server that is unreachable, and returns when it is aborted", async () => {
  await withKubeconfig(async (path) => {
    const stop = new AbortController();
    const running = run([
      `--kubeconfig=${path}`,
      "--namespace=home",
      "--host-address=10.0.0.7",
    ], stop.signal);
    setTimeout(() => stop.abort(new TypeError("enough")), 200);
    await running;
  });
});

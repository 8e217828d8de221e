// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../lib/shared/base/mod.ts";
import { parseOperatorOptions, runOperator } from "../../lib/operator/mod.ts";
import { until } from "../../dev/base/wait.ts";
import { findFreePorts } from "./_support/kubelets.ts";
import { ScriptedServer } from "./kube/_support/scripted_server.ts";

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
  text: string = KUBECONFIG,
): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, text);
    await work(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("runOperator() rejects with the path of a kubeconfig that it can't read", async () => {
  await assert.rejects(
    run(["--kubeconfig=/nowhere"], AbortSignal.timeout(60_000)),
    { code: "invalid", message: /\/nowhere/ },
  );
});

Deno.test("runOperator() rejects when no namespace is set", async () => {
  await withKubeconfig(async (path) => {
    await assert.rejects(
      run([`--kubeconfig=${path}`], AbortSignal.timeout(60_000)),
      { code: "invalid", message: /--namespace/ },
    );
  });
});

Deno.test("runOperator() waits for an API server that is unreachable, and returns when it is aborted", async () => {
  // Something that accepts connections, and is no API server.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let connectionCount = 0;
  const accepting = (async () => {
    for await (const connection of listener) {
      connectionCount++;
      connection.close();
    }
  })();
  await withKubeconfig(async (path) => {
    const stop = new AbortController();
    let hasReturned = false;
    const running = run([
      `--kubeconfig=${path}`,
      "--namespace=home",
      "--host-address=10.0.0.7",
    ], stop.signal).finally(() => hasReturned = true);
    await until(() => connectionCount >= 3, "several attempts");
    assert.equal(hasReturned, false);
    stop.abort(new TypeError("enough"));
    await running;
  }, KUBECONFIG.replace("127.0.0.1:1", `127.0.0.1:${listener.addr.port}`));
  listener.close();
  await accepting;
});

Deno.test("runOperator() is ready as a standby once the API server answers, although it started before", async () => {
  await using server = await ScriptedServer.start();
  server.script = (request) => void request.socket.destroy();
  const { server: url, ca } = server.credentials;
  const cluster = JSON.stringify({
    server: url,
    "certificate-authority-data": btoa(ca ?? ""),
  });
  const kubeconfig = KUBECONFIG.replace(/\{server: [^}]*\}/, cluster);
  await withKubeconfig(async (path) => {
    const stop = new AbortController();
    const { first: httpPort } = await findFreePorts();
    const running = runOperator({
      options: parseOperatorOptions([
        `--kubeconfig=${path}`,
        `--http-port=${httpPort}`,
        ...["--grpc-port=0", "--namespace=home", "--host-address=10.0.0.7"],
      ], {}),
      version: "0.1.0",
      log: SILENT_LOGGER,
      signal: stop.signal,
    });
    const readPage = async () => {
      const response = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
      return `${response.status} ${await response.text()}`;
    };
    await until(
      async () => /^503 .*starting/.test(await readPage()),
      "a start",
    );
    // Another operator leads.
    server.script = ({ url }, response) => {
      const isLeader = url?.includes("/leases/aranya-operator?") ||
        url?.endsWith("/leases/aranya-operator");
      if (!isLeader) return void response.end('{"gitVersion":"v1.36.0"}');
      response.end(JSON.stringify({
        metadata: { name: "aranya-operator", resourceVersion: "1" },
        spec: { holderIdentity: "other", leaseDurationSeconds: 3600 },
      }));
    };
    await until(
      async () => await readPage() === "200 ok\nstanding by\n",
      "a standby that is ready",
    );
    stop.abort(new TypeError("enough"));
    await running;
  }, kubeconfig);
});

// SPDX-License-Identifier: Apache-2.0
/**
 * The operator as manifests/operator.yaml runs it: with the service account's files and the
 * permission set for a pod.
 */
import assert from "node:assert/strict";
import { until } from "../../dev/base/wait.ts";
import {
  ControlPlane,
  edgeDevice,
  get,
  installManifests,
  type Launched,
  NAMESPACE,
} from "../../dev/world/mod.ts";
import { scenario } from "./_support/scenario.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const DEVICE = "edge-1";
/**
 * Mounts its own /run, puts the service account's files there with the symbolic links that a
 * kubelet makes, and becomes the operator.
 */
const IN_POD = `set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount/..data_1
cd /run/secrets/kubernetes.io/serviceaccount
cp "$ACCOUNT"/* ..data_1
ln -s ..data_1 ..data
for file in token ca.crt namespace; do ln -s ..data/$file $file; done
cd "$APP"
exec "$@"`;

async function launchInPod(
  plane: ControlPlane,
  httpPort: number,
): Promise<Launched> {
  const { apiserver } = plane;
  const { machine } = apiserver;
  const account = await Deno.makeTempDir({ dir: machine.folder });
  const token = await plane.kubectl.run(
    ["create", "token", "aranya", "--namespace", NAMESPACE],
  );
  await Deno.writeTextFile(`${account}/token`, token.trim());
  await Deno.writeTextFile(`${account}/namespace`, NAMESPACE);
  await Deno.copyFile(apiserver.keys.servers.cert, `${account}/ca.crt`);
  const { hostname, port } = new URL(apiserver.url);
  const grpcPort = await machine.freePort();
  return await machine.launch("unshare", {
    name: "operator-pod",
    args: [
      ..."--mount sh -c".split(" "),
      IN_POD,
      "sh",
      Deno.execPath(),
      ..."run --no-prompt --cached-only -P=operator-pod main.ts".split(" "),
      ...["--mode=operator", `--host-address=${machine.address}`],
      ...["--grpc-port", `${grpcPort}`, "--http-port", `${httpPort}`],
    ],
    env: {
      ACCOUNT: account,
      APP: ROOT,
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port,
      POD_NAMESPACE: NAMESPACE,
      KUBECONFIG: "/nowhere",
      DENO_V8_FLAGS: "--optimize-for-size",
      NO_COLOR: "1",
    },
    log: `${apiserver.logs}/operator-pod.log`,
    graceMs: 10_000,
  });
}

scenario(
  "in a pod the operator runs with its service account's files and the permission set for a pod",
  async () => {
    await using plane = await ControlPlane.start();
    const { apiserver, kubectl } = plane;
    const { machine } = apiserver;
    await installManifests(apiserver);
    const httpPort = await machine.freePort();
    await using operator = await launchInPod(plane, httpPort);
    const page = (path: string) =>
      get(machine, `http://${machine.address}:${httpPort}${path}`);
    await until(async () => (await page("/readyz")).startsWith("ok"), {
      what: "a leading operator",
      timeoutMs: 60_000,
      detail: () => Deno.readTextFile(operator.log),
    });
    await kubectl.apply({
      ...edgeDevice(DEVICE),
      metadata: { name: DEVICE, namespace: NAMESPACE },
    });
    await until(
      async () => await kubectl.find(["node", DEVICE]) !== undefined,
      { what: "the device's Node", timeoutMs: 60_000 },
    );
    await until(
      async () =>
        await kubectl.find(["pod", DEVICE, "--namespace", NAMESPACE]) !==
          undefined,
      { what: "the virtual pod", timeoutMs: 30_000 },
    );
    assert.match(await page("/metrics"), /process_resident_memory_bytes/);
    const startMs = performance.now();
    assert.equal(await operator.stop(), 0);
    assert.ok(performance.now() - startMs < 4000, "it took 4 s or longer");
    const log = await Deno.readTextFile(operator.log);
    assert.doesNotMatch(log, /NotCapable|Requires .* access|"level":"error"/);
  },
  { restarts: true },
);

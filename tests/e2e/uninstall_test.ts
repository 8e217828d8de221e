// SPDX-License-Identifier: Apache-2.0
/** README "Uninstall", in a control plane for each scenario. No device is connected. */
import assert from "node:assert/strict";
import { join, ROOT } from "../../dev/base/paths.ts";
import { until } from "../../dev/base/wait.ts";
import {
  ControlPlane,
  edgeDevice,
  NAMESPACE,
  Operator,
} from "../../dev/world/mod.ts";
import { scenario } from "./_support/scenario.ts";

const MANIFESTS = join(ROOT, "manifests");
const DEVICES = ["edge-1", "edge-2"];
const SELECTOR = `arhat.dev/role=EdgeDevice,arhat.dev/namespace=${NAMESPACE}`;

/** Starts an operator with devices; resolves once they have Nodes. */
async function install(plane: ControlPlane): Promise<Operator> {
  const { apiserver, kubectl } = plane;
  await kubectl.run(["apply", "-k", MANIFESTS]);
  // No kubelet runs the pods of this Deployment; the operator below stands for them.
  await kubectl.run([
    ...["scale", "deployment/aranya", "--replicas=0", "-n", NAMESPACE],
  ]);
  const operator = await Operator.start({ apiserver });
  for (const name of DEVICES) await kubectl.apply(edgeDevice(name));
  await until(async () => (await nodesOf(plane)).length === DEVICES.length, {
    what: "the devices' Nodes",
    timeoutMs: 60_000,
    detail: () => Deno.readTextFile(operator.log),
  });
  return operator;
}

async function nodesOf({ kubectl }: ControlPlane): Promise<string[]> {
  const text = await kubectl.run([
    ...["get", "nodes", "-l", SELECTOR, "-o", "name"],
  ]);
  return text.split("\n").filter(Boolean);
}

/** Returns what of the project is left in the cluster. */
async function remains({ kubectl }: ControlPlane): Promise<string[]> {
  const kinds = [
    "namespaces,customresourcedefinitions,nodes,clusterroles",
    "clusterrolebindings,validatingadmissionpolicies",
    "validatingadmissionpolicybindings,certificatesigningrequests",
  ].join(",");
  const texts = await Promise.all([
    kubectl.run(["get", kinds, "-o", "name"]),
    kubectl.run(["get", "leases", "-n", "kube-node-lease", "-o", "name"]),
    kubectl.run(["get", "roles,rolebindings", "-A", "-o", "name"]),
  ]);
  return texts.join("").split("\n").filter((one) => /aranya|edge-\d/.test(one));
}

async function untilNothingRemains(plane: ControlPlane): Promise<void> {
  await until(async () => (await remains(plane)).length === 0, {
    what: "a cluster without the project",
    timeoutMs: 90_000,
    intervalMs: 500,
    detail: async () => (await remains(plane)).join("\n"),
  });
}

scenario(
  "uninstalling is refused while there are EdgeDevices, and leaves nothing afterwards",
  async () => {
    await using plane = await ControlPlane.start();
    const { kubectl } = plane;
    await using operator = await install(plane);
    const refused = await kubectl.tryRun(
      ["delete", "-k", MANIFESTS, "--ignore-not-found", "--wait=false"],
      { timeoutMs: 120_000 },
    );
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /delete all EdgeDevices first/);
    assert.equal((await nodesOf(plane)).length, DEVICES.length);
    await kubectl.run(
      ["-n", NAMESPACE, "delete", "edgedevices", "--all", "--timeout=60s"],
      { timeoutMs: 90_000 },
    );
    assert.deepEqual(await nodesOf(plane), []);
    await kubectl.run(
      ["delete", "-k", MANIFESTS, "--ignore-not-found", "--timeout=60s"],
      { timeoutMs: 120_000 },
    );
    await untilNothingRemains(plane);
    await operator.stop();
  },
  { restarts: true },
);

scenario(
  "a namespace that was deleted without the policy ends with the commands of the README",
  async () => {
    await using plane = await ControlPlane.start();
    const { kubectl } = plane;
    await using operator = await install(plane);
    const policy = "validatingadmissionpolicy/aranya-deletion-guard";
    await kubectl.run(["delete", policy]);
    await until(async () => {
      const { code } = await kubectl.tryRun([
        ...["delete", "namespace", NAMESPACE, "--wait=false"],
      ]);
      return code === 0;
    }, { what: "a namespace that may be deleted" });
    await operator.stop();
    const edges = await kubectl.run([
      ...["-n", NAMESPACE, "get", "edgedevices", "-o", "name"],
    ]);
    for (const edge of edges.split("\n").filter(Boolean)) {
      await kubectl.run([
        ...["-n", NAMESPACE, "patch", edge, "--type", "merge"],
        ...["-p", '{"metadata": {"finalizers": null}}'],
      ]);
    }
    await kubectl.run(["delete", "nodes", "-l", SELECTOR]);
    await kubectl.run([
      ...["-n", "kube-node-lease", "delete", "leases", "-l", SELECTOR],
    ]);
    await until(
      async () => await kubectl.find(["namespace", NAMESPACE]) === undefined,
      { what: "the end of the namespace", timeoutMs: 90_000 },
    );
    await kubectl.run(
      ["delete", "-k", MANIFESTS, "--ignore-not-found", "--timeout=60s"],
      { timeoutMs: 120_000 },
    );
    await untilNothingRemains(plane);
  },
  { restarts: true },
);

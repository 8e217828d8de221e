// SPDX-License-Identifier: Apache-2.0
/** Namespaces of --tenant-namespaces: their pods, and their deletion. */
import assert from "node:assert/strict";
import { until } from "../../dev/base/wait.ts";
import type { KubeObject } from "../../dev/world/mod.ts";
import {
  container,
  isReady,
  placement,
  type PodObject,
} from "./_support/pods.ts";
import {
  DEVICE,
  mustDevice,
  scenario,
  untilCondition,
  useWorld,
} from "./_support/scenario.ts";

const TENANT = "tenant";
const world = useWorld({ operatorFlags: [`--tenant-namespaces=${TENANT}`] });

/** Creates the namespace with the RoleBinding of the README and one pod that needs 3 s to end. */
async function createTenant(): Promise<void> {
  const { kubectl } = world();
  await kubectl.run(["create", "namespace", TENANT]);
  await kubectl.run([
    ...["-n", TENANT, "create", "rolebinding", "aranya-tenant"],
    ...["--clusterrole=aranya-tenant", "--serviceaccount=aranya:aranya"],
  ]);
  await until(() => kubectl.find(["-n", TENANT, "serviceaccount", "default"]));
  await kubectl.apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: TENANT },
    spec: {
      ...placement(DEVICE),
      containers: [container("trap 'sleep 3; exit' TERM; sleep 3600 & wait")],
    },
  });
  await until(async () => {
    const pod = await kubectl.find<PodObject>(["-n", TENANT, "pod", "web"]);
    return pod && isReady(pod);
  }, {
    what: "a Ready pod of the tenant",
    timeoutMs: 90_000,
    detail: () => kubectl.run(["-n", TENANT, "describe", "pod", "web"]),
  });
}

function findNamespace(): Promise<KubeObject | undefined> {
  return world().kubectl.find(["namespace", TENANT]);
}

function findBinding(): Promise<KubeObject | undefined> {
  return world().kubectl.find([
    ...["-n", TENANT, "rolebinding", "aranya-tenant"],
  ]);
}

scenario(
  "a tenant namespace with a running pod is deleted with everything in it",
  async () => {
    await createTenant();
    await world().kubectl.run(
      ["delete", "namespace", TENANT, "--timeout=60s"],
      { timeoutMs: 90_000 },
    );
    const { dockerd } = mustDevice(world());
    await until(async () => (await dockerd.run(["ps", "-aq"])) === "", {
      what: "an engine without containers",
    });
  },
);

scenario(
  "a tenant namespace that is deleted while the device is offline is gone once the device is back",
  async () => {
    await createTenant();
    const { agent } = mustDevice(world());
    await agent.crash();
    await untilCondition(world(), {
      kind: "edgedevice",
      name: DEVICE,
      type: "Connected",
      status: "False",
    });
    await world().kubectl.run(["delete", "namespace", TENANT, "--wait=false"]);
    await until(async () => {
      const pod = await world().kubectl.find<PodObject>(
        ["-n", TENANT, "pod", "web"],
      );
      return pod?.metadata.deletionTimestamp !== undefined;
    }, "a pod that is being deleted");
    // The right to end the pod is deleted after it.
    assert.ok(await findBinding());
    await agent.restart();
    await until(async () => await findNamespace() === undefined, {
      what: "the end of the namespace",
      timeoutMs: 90_000,
      detail: async () => JSON.stringify(await findNamespace()),
    });
  },
  { restarts: true },
);

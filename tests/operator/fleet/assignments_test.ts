// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  EDGE_DEVICE,
  type EdgeDevice,
} from "../../../lib/operator/kube/mod.ts";
import { PodAddressBook } from "../../../lib/operator/fleet/address_book.ts";
import { restoreAssignments } from "../../../lib/operator/fleet/assignments.ts";
import { DeviceRegistry } from "../../../lib/operator/fleet/device_registry.ts";
import type { KubeletRegistry } from "../../../lib/operator/fleet/kubelet_registry.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { createKubelets, findFreePorts } from "../_support/kubelets.ts";
import { until } from "../../../dev/base/wait.ts";

/** Starts a registry as a term does and returns the status of each device once it is written. */
async function serve(
  fixture: DeviceFixture,
  { kubelets, names }: { kubelets: KubeletRegistry; names: string[] },
): Promise<(EdgeDevice["status"] | undefined)[]> {
  const { namespace } = fixture.ref;
  const addresses = new PodAddressBook({ seed: namespace });
  const { devices: stores } = fixture.stores;
  const formerKey = `${namespace}/${names.at(-1)}`;
  await until(
    () =>
      stores.edges.size === names.length &&
      stores.edges.get(formerKey)?.status !== undefined,
    "all EdgeDevices, the last one with its status",
  );
  restoreAssignments({ stores, addresses, kubelets });
  await using _devices = new DeviceRegistry({
    context: { ...fixture.context, addresses, kubelets },
    heartbeats: { start() {}, stop() {} },
    // In the order of the list.
    concurrency: 1,
  });
  const read = () =>
    Promise.all(
      names.map(async (name) =>
        (await fixture.api.get(EDGE_DEVICE, { namespace, name })).status
      ),
    );
  await until(
    async () =>
      (await read()).every((status) => status?.conditions !== undefined),
    "the status of each device",
  );
  return await read();
}

Deno.test("restoreAssignments() keeps range and port of a device when a new one comes before it", async () => {
  await using fixture = await DeviceFixture.start();
  const { namespace } = fixture.ref;
  const ports = await findFreePorts();
  const kubelets = await createKubelets(ports);
  // What the new device picks when it comes first.
  const podCIDR = new PodAddressBook({ seed: namespace }).claim("a-new", {})
    ?.cidr ?? "";
  const kubeletEndpoint = `10.0.0.7:${ports.first}`;
  await fixture.api.putObject(EDGE_DEVICE, {
    metadata: { namespace, name: "a-new" },
    spec: {},
  });
  await fixture.api.putObject(EDGE_DEVICE, {
    metadata: { namespace, name: "b-old" },
    spec: {},
    status: { podCIDR, kubeletEndpoint },
  });
  const [added, former] = await serve(fixture, {
    kubelets,
    names: ["a-new", "b-old"],
  });
  assert.equal(former?.podCIDR, podCIDR);
  assert.equal(former?.kubeletEndpoint, kubeletEndpoint);
  assert.notEqual(added?.podCIDR, podCIDR);
  assert.equal(added?.kubeletEndpoint, `10.0.0.7:${ports.first + 1}`);
});

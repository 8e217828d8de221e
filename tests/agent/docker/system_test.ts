// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createDockerClient,
  createNetwork,
  inspectNetwork,
  removeNetwork,
} from "../../../lib/agent/docker/mod.ts";
import { Dockerd } from "../../_support/mod.ts";

Deno.test("networks are made with their range, found and removed", async () => {
  await using engine = await Dockerd.start({ images: false });
  await using client = createDockerClient({ host: `unix://${engine.socket}` });
  const network = {
    name: "test",
    subnet: "10.200.8.0/26",
    labels: { a: "b" },
    driverOptions: {},
  };
  await createNetwork(client, network);
  const { IPAM, Labels } = await inspectNetwork(client, "test");
  assert.equal(IPAM.Config?.[0]?.Subnet, "10.200.8.0/26");
  assert.deepEqual(Labels, { a: "b" });
  await assert.rejects(createNetwork(client, { ...network, name: "other" }), {
    message: /overlaps/,
  });
  await removeNetwork(client, "test");
  await assert.rejects(inspectNetwork(client, "test"), { code: "not_found" });
});

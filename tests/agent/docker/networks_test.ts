// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createNetwork,
  DockerHttpClient,
  inspectNetwork,
  removeNetwork,
} from "../../../lib/agent/docker/mod.ts";
import { Dockerd } from "../../../dev/world/mod.ts";

Deno.test("createNetwork() creates a network with its subnet, which removeNetwork() removes", async () => {
  await using engine = await Dockerd.start({ images: false });
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const network = {
    name: "test",
    subnet: "10.200.8.0/26",
    labels: { a: "b" },
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

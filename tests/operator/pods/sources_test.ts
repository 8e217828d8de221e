// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { createPodSources } from "../../../lib/operator/pods/sources.ts";
import {
  CONFIG_MAP,
  createKubeClient,
  type ObjectMeta,
  POD,
  SECRET,
  SERVICE,
} from "../../../lib/operator/kube/mod.ts";
import { NAMESPACE, SERVICE_ACCOUNT } from "../_support/kinds.ts";
import { refKey } from "../../../lib/operator/podspec/mod.ts";
import { Apiserver, until } from "../../_support/mod.ts";

const NODE_NAME = "edge-1";
const wait = (what: string, look: () => boolean) =>
  until(look, { what, timeoutMs: 15_000, intervalMs: 20 });

Deno.test("createPodSources()", async (t) => {
  await using apiserver = await Apiserver.start();
  await using client = await createKubeClient({
    kubeconfigFile: apiserver.kubeconfig,
    log: SILENT_LOGGER,
  });
  for (const name of ["served", "other"]) {
    await client.create(NAMESPACE, { metadata: { name } });
    const metadata = { namespace: name, name: "default" };
    await client.create(SERVICE_ACCOUNT, { metadata });
  }
  const createPod = (metadata: ObjectMeta, nodeName: string) =>
    client.create(POD, {
      metadata,
      spec: { nodeName, containers: [{ name: "app", image: "i" }] },
    });
  await using sources = createPodSources({
    client,
    namespaces: ["served"],
    isHiddenService: ({ metadata }) => metadata.labels?.hidden === "yes",
    log: SILENT_LOGGER,
  });
  await sources.synced;
  assert.equal(sources.hasSynced, true);

  await t.step(
    "wakes a node's lane for its own pods, served or not",
    async () => {
      const woken: string[] = [];
      const lane = sources.subscribe(NODE_NAME, (key) => void woken.push(key));
      await createPod({ namespace: "served", name: "a" }, NODE_NAME);
      await createPod({ namespace: "served", name: "b" }, "another-node");
      await createPod({ namespace: "other", name: "c" }, NODE_NAME);
      await wait(
        "both pods",
        () => woken.includes("served/a") && woken.includes("other/c"),
      );
      assert.equal(woken.includes("served/b"), false);
      assert.deepEqual(
        sources.podsOfNode(NODE_NAME).map(({ metadata }) => metadata.name)
          .sort(),
        ["a", "c"],
      );
      assert.equal(sources.pod("other/c")?.metadata.name, "c");
      assert.equal(sources.serves("other"), false);
      lane.close();
    },
  );

  await t.step(
    "wakes for what a pod refers to, until it no longer does",
    async () => {
      const woken: [string, number][] = [];
      const lane = sources.subscribe(
        NODE_NAME,
        (key, { afterMs = 0 } = {}) => void woken.push([key, afterMs]),
      );
      woken.length = 0;
      lane.setRefs("served/a", [
        refKey("ConfigMap", { namespace: "served", name: "cm" }),
        refKey("Secret", { namespace: "served", name: "s" }),
        refKey("Services", { namespace: "served" }),
      ]);
      const metadata = { namespace: "served", name: "cm", labels: { a: "b" } };
      await client.create(CONFIG_MAP, { metadata, data: { k: "v" } });
      await wait("a wake for the ConfigMap", () => woken.length === 1);
      assert.deepEqual(sources.configMap("served", "cm")?.data, { k: "v" });
      assert.equal(
        sources.configMap("served", "cm")?.metadata.labels,
        undefined,
      );
      await client.create(SECRET, {
        metadata: { namespace: "served", name: "s" },
        stringData: { k: "v" },
      });
      await wait("a wake for the Secret", () => woken.length === 2);
      assert.equal(sources.secret("served", "s")?.data?.k, btoa("v"));
      const createService = (name: string, labels: Record<string, string>) =>
        client.create(SERVICE, {
          metadata: { namespace: "served", name, labels },
          spec: { ports: [{ port: 80 }] },
        });
      await createService("hidden", { hidden: "yes" });
      await createService("seen", {});
      await wait("a later wake for the Service", () => woken.length === 3);
      assert.ok((woken[2]?.[1] ?? 0) > 0);
      assert.deepEqual(
        sources.services("served").map(({ metadata }) => metadata.name),
        ["seen"],
      );
      lane.setRefs("served/a", []);
      await client.delete(CONFIG_MAP, metadata);
      await wait(
        "its end",
        () => sources.configMap("served", "cm") === undefined,
      );
      assert.equal(woken.length, 3);
      lane.close();
    },
  );

  await t.step("knows the API server's own service", async () => {
    await wait("it", () => sources.services("default").length === 1);
    assert.equal(sources.services("default")[0]?.metadata.name, "kubernetes");
  });
});

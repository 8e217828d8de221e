// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { abortable, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { InformerPodSources } from "../../../lib/operator/pods/sources.ts";
import {
  CONFIG_MAP,
  type ObjectMeta,
  POD,
  SECRET,
  SERVICE,
} from "../../../lib/operator/kube/mod.ts";
import { refKey } from "../../../lib/operator/podspec/mod.ts";
import { until } from "../../../dev/base/wait.ts";
import { openShippedRights } from "../_support/shipped_rights.ts";

const NODE_NAME = "edge-1";
const wait = (what: string, condition: () => boolean) =>
  until(condition, { what, intervalMs: 20 });

Deno.test("InformerPodSources", async (t) => {
  await using cluster = await openShippedRights();
  const client = cluster.admin;
  for (const name of ["served", "other", "forbidden"]) {
    await cluster.createNamespace(name);
  }
  await cluster.bindTenant("served");
  const createPod = (metadata: ObjectMeta, nodeName: string) =>
    client.create(POD, {
      metadata,
      spec: { nodeName, containers: [{ name: "app", image: "i" }] },
    });
  await using sources = new InformerPodSources({
    client: cluster.operator,
    namespaces: ["served", "forbidden", "absent"],
    isHiddenService: ({ metadata }) => metadata.labels?.hidden === "yes",
    log: SILENT_LOGGER,
  });
  const signal = AbortSignal.timeout(60_000);
  await abortable(sources.whenSettled("served"), signal);

  await t.step(
    "stateOf() and whenSettled() concern one namespace each",
    async () => {
      assert.deepEqual(sources.stateOf("served"), { kind: "ready" });
      for (const namespace of ["forbidden", "absent"]) {
        await abortable(sources.whenSettled(namespace), signal);
        const state = sources.stateOf(namespace);
        assert.ok(state.kind === "unreadable");
        assert.equal(state.error.code, "forbidden");
        assert.match(state.error.message, /"(forbidden|absent)"/);
      }
      // Pods may be listed in all namespaces.
      await wait("all pods", () => sources.hasListedPods());
      assert.equal(sources.hasListedPods("forbidden"), true);
      assert.equal(sources.hasListedPods("other"), true);
    },
  );

  await t.step(
    "subscribe() enqueues a node's pods when they change, served or not",
    async () => {
      const enqueued: string[] = [];
      const subscription = sources.subscribe(NODE_NAME, {
        enqueue: (key) => void enqueued.push(key),
      });
      await createPod({ namespace: "served", name: "a" }, NODE_NAME);
      await createPod({ namespace: "served", name: "b" }, "another-node");
      await createPod({ namespace: "other", name: "c" }, NODE_NAME);
      await wait(
        "both pods",
        () => enqueued.includes("served/a") && enqueued.includes("other/c"),
      );
      assert.equal(enqueued.includes("served/b"), false);
      assert.deepEqual(
        sources.listPods(NODE_NAME).map(({ metadata }) => metadata.name)
          .sort(),
        ["a", "c"],
      );
      assert.equal(sources.findPod("other/c")?.metadata.name, "c");
      assert.equal(sources.serves("other"), false);
      subscription.close();
    },
  );

  await t.step(
    "subscribe() enqueues a pod when a referenced object changes, until setRefs() drops it",
    async () => {
      const enqueued: { key: string; afterMs: number }[] = [];
      const subscription = sources.subscribe(NODE_NAME, {
        enqueue: (key, { afterMs = 0 } = {}) =>
          void enqueued.push({ key, afterMs }),
      });
      enqueued.length = 0;
      subscription.setRefs("served/a", [
        refKey("ConfigMap", { namespace: "served", name: "cm" }),
        refKey("Secret", { namespace: "served", name: "s" }),
        refKey("Services", { namespace: "served" }),
      ]);
      const metadata = { namespace: "served", name: "cm", labels: { a: "b" } };
      await client.create(CONFIG_MAP, { metadata, data: { k: "v" } });
      await wait("a change of the ConfigMap", () => enqueued.length === 1);
      assert.deepEqual(sources.findConfigMap("served", "cm")?.data, { k: "v" });
      assert.equal(
        sources.findConfigMap("served", "cm")?.metadata.labels,
        undefined,
      );
      await client.create(SECRET, {
        metadata: { namespace: "served", name: "s" },
        stringData: { k: "v" },
      });
      await wait("a change of the Secret", () => enqueued.length === 2);
      assert.equal(sources.findSecret("served", "s")?.data?.k, btoa("v"));
      const createService = (name: string, labels: Record<string, string>) =>
        client.create(SERVICE, {
          metadata: { namespace: "served", name, labels },
          spec: { ports: [{ port: 80 }] },
        });
      await createService("hidden", { hidden: "yes" });
      await createService("seen", {});
      await wait(
        "a delayed change of the Service",
        () => enqueued.length === 3,
      );
      assert.ok((enqueued[2]?.afterMs ?? 0) > 0);
      assert.deepEqual(
        sources.listServices("served").map(({ metadata }) => metadata.name),
        ["seen"],
      );
      subscription.setRefs("served/a", []);
      await client.delete(CONFIG_MAP, metadata);
      await wait(
        "the deletion of the ConfigMap",
        () => sources.findConfigMap("served", "cm") === undefined,
      );
      assert.equal(enqueued.length, 3);
      subscription.close();
    },
  );

  await t.step(
    "listServices() returns the API server's own Service",
    async () => {
      await wait(
        "the Service",
        () => sources.listServices("default").length === 1,
      );
      assert.equal(
        sources.listServices("default")[0]?.metadata.name,
        "kubernetes",
      );
    },
  );

  await t.step(
    "whenSettled() rejects when the sources are disposed before",
    async () => {
      const closed = new InformerPodSources({
        client,
        namespaces: ["served"],
        log: SILENT_LOGGER,
      });
      const settled = closed.whenSettled("served");
      const isRejected = assert.rejects(settled, { code: "cancelled" });
      await closed[Symbol.asyncDispose]();
      await isRejected;
    },
  );
});

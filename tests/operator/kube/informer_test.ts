// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type Logger, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  CONFIG_MAP,
  createInformer,
  createKubeClient,
} from "../../../lib/operator/kube/mod.ts";
import { until } from "../../../dev/base/wait.ts";
import { Apiserver } from "../../../dev/world/mod.ts";

Deno.test("createInformer()", async (t) => {
  await using apiserver = await Apiserver.start();
  await using client = await createKubeClient({
    kubeconfigFile: apiserver.kubeconfig,
    log: SILENT_LOGGER,
  });
  await t.step(
    "rejects `synced` when it is disposed before the first list",
    async () => {
      const informer = createInformer({
        client,
        type: CONFIG_MAP,
        log: SILENT_LOGGER,
      });
      const { synced } = informer;
      await informer[Symbol.asyncDispose]();
      await assert.rejects(synced, { code: "cancelled" });
    },
  );

  await t.step(
    "follows changes through a crash of the API server",
    async () => {
      const lines: string[] = [];
      const states: string[] = [];
      const log: Logger = {
        ...SILENT_LOGGER,
        warn: (message) => void lines.push(message),
        info: (message) => void lines.push(message),
        with: () => log,
      };
      await using informer = createInformer({
        client,
        type: CONFIG_MAP,
        namespace: "default",
        log,
        pageSize: 2,
        index: ({ data }) => data?.color,
        onStateChange: () =>
          void states.push(informer.failure?.code ?? "working"),
      });
      const seen: string[] = [];
      informer.onChange(({ key, now, old }) => {
        const what = now ? old ? "updated" : "added" : "deleted";
        seen.push(`${what} ${key}`);
      });
      await informer.synced;
      for (const name of ["a", "b", "c", "d", "e"]) {
        await client.create(CONFIG_MAP, {
          metadata: { namespace: "default", name },
          data: { color: "red" },
        });
      }
      const wait = (what: string, condition: () => boolean) =>
        until(condition, { what, timeoutMs: 30_000, intervalMs: 50 });
      await wait("five red ones", () => informer.byIndex("red").length === 5);
      assert.equal(
        "managedFields" in (informer.get("default/a")?.metadata ?? {}),
        false,
      );
      await client.patch(CONFIG_MAP, { namespace: "default", name: "a" }, {
        body: { data: { color: "blue" } },
      });
      await wait("a blue one", () => informer.byIndex("blue").length === 1);
      assert.equal(informer.byIndex("red").length, 4);
      await apiserver.crash();
      await wait(
        "a failed watch",
        () => lines.includes("watch failed, will retry"),
      );
      await apiserver.restart();
      await client.delete(CONFIG_MAP, { namespace: "default", name: "a" });
      await wait("its end", () => informer.get("default/a") === undefined);
      assert.deepEqual(
        seen.filter((line) => line.endsWith("default/a")),
        ["added default/a", "updated default/a", "deleted default/a"],
      );
      assert.deepEqual(lines, ["watch failed, will retry", "watch recovered"]);
      assert.deepEqual(states, ["working", "unavailable", "working"]);
      assert.equal(informer.failure, undefined);
      // A second informer reads the list in several pages.
      await using second = createInformer({
        client,
        type: CONFIG_MAP,
        namespace: "default",
        log: SILENT_LOGGER,
        pageSize: 2,
      });
      await second.synced;
      assert.deepEqual(
        second.list().map(({ metadata }) => metadata.name).sort(),
        informer.list().map(({ metadata }) => metadata.name).sort(),
      );
    },
  );

  await t.step(
    "shows that the API server refuses the list, and retries soon",
    async () => {
      await using stranger = await createKubeClient({
        kubeconfigFile: await apiserver.makeUser({ name: "stranger" }),
        log: SILENT_LOGGER,
      });
      let changeCount = 0;
      await using informer = createInformer({
        client: stranger,
        type: CONFIG_MAP,
        namespace: "default",
        log: SILENT_LOGGER,
        onStateChange: () => void changeCount++,
      });
      await until(() => changeCount > 0, { what: "the refusal" });
      assert.equal(informer.failure?.code, "forbidden");
      assert.match(informer.failure?.message ?? "", /configmaps/);
      assert.equal(informer.hasSynced, false);
      // An API server that has just started refuses everything until it has read its roles.
      await apiserver.kubectl.run([
        ...["create", "role", "reader", "--namespace=default"],
        ...["--verb=list,watch", "--resource=configmaps"],
      ]);
      await apiserver.kubectl.run([
        ...["create", "rolebinding", "reader", "--namespace=default"],
        ...["--role=reader", "--user=stranger"],
      ]);
      await until(() => informer.hasSynced, {
        what: "a list soon after the refusal",
        timeoutMs: 8_000,
      });
      assert.equal(informer.failure, undefined);
    },
  );
});

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
import { createScriptedClient } from "./_support/scripted_client.ts";
import { ScriptedServer } from "./_support/scripted_server.ts";

/** Starts an informer at a server that answers lists in turn, and each watch with these lines. */
async function startScripted(
  answers: { lists: Answer[]; watches: string[] },
) {
  const server = await ScriptedServer.start();
  const pages: string[] = [];
  server.script = (request, response) => {
    const url = new URL(request.url ?? "", "http://server");
    if (url.searchParams.has("watch")) {
      const line = answers.watches.shift();
      // The last watch stays open.
      return line === undefined ? response.flushHeaders() : response.end(line);
    }
    pages.push(url.searchParams.get("continue") ?? "");
    const { status = 200, body } = answers.lists.shift() ?? { status: 500 };
    response.statusCode = status;
    response.end(JSON.stringify(body));
  };
  const client = await createScriptedClient(server);
  const informer = createInformer({
    client,
    type: CONFIG_MAP,
    log: SILENT_LOGGER,
  });
  return {
    informer,
    pages,
    async [Symbol.asyncDispose]() {
      await informer[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

interface Answer {
  status?: number;
  body?: unknown;
}

/** A page of a list with ConfigMaps of these names and UIDs. */
function page(
  items: Record<string, string>,
  metadata: { resourceVersion: string; continue?: string },
): Answer {
  return {
    body: {
      metadata,
      items: Object.entries(items).map(([name, uid]) => ({
        metadata: { namespace: "ns", name, uid, resourceVersion: uid },
      })),
    },
  };
}

const EXPIRED: Answer = {
  status: 410,
  body: { kind: "Status", code: 410, reason: "Expired", message: "too old" },
};

Deno.test("createInformer() lists again when a watch is too old, and reports what was replaced meanwhile", async () => {
  await using scripted = await startScripted({
    lists: [
      page({ a: "1", b: "2" }, { resourceVersion: "10" }),
      page({ a: "3" }, { resourceVersion: "20" }),
    ],
    watches: ['{"type":"ERROR","object":{"code":410,"message":"too old"}}\n'],
  });
  const { informer } = scripted;
  const seen: string[] = [];
  informer.onChange(({ key, now, old }) =>
    seen.push(`${key} ${old?.metadata.uid} ${now?.metadata.uid}`)
  );
  await until(() => informer.get("ns/a")?.metadata.uid === "3");
  assert.equal(informer.get("ns/b"), undefined);
  assert.deepEqual(seen.toSorted(), [
    // One change, as in client-go.
    "ns/a 1 3",
    "ns/a undefined 1",
    "ns/b 2 undefined",
    "ns/b undefined 2",
  ]);
  assert.equal(informer.failure, undefined);
});

Deno.test("createInformer() begins the list anew when a page of it has expired", async () => {
  await using scripted = await startScripted({
    lists: [
      page({ a: "1" }, { resourceVersion: "10", continue: "next" }),
      EXPIRED,
      page({ a: "1" }, { resourceVersion: "20", continue: "other" }),
      page({ b: "2" }, { resourceVersion: "20" }),
    ],
    watches: [],
  });
  const { informer, pages } = scripted;
  await informer.synced;
  assert.deepEqual(pages, ["", "next", "", "other"]);
  assert.deepEqual(informer.list().map(({ metadata }) => metadata.name), [
    "a",
    "b",
  ]);
  assert.equal(informer.failure, undefined);
});

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
        // The longest delay is 15 s, and as much again for what kubectl takes.
        timeoutMs: 40_000,
      });
      assert.equal(informer.failure, undefined);
    },
  );
});

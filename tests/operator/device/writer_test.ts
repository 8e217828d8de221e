// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type EdgeDevice,
  type KubeClient,
  SERVICE,
  type Service,
} from "../../../lib/operator/kube/mod.ts";
import { ownedMeta } from "../../../lib/operator/device/metadata.ts";
import { ObjectWriter } from "../../../lib/operator/device/writer.ts";
import { CountingApi } from "../_support/counting_api.ts";
import { ShiftedClock } from "../_support/shifted_clock.ts";

const signal = new AbortController().signal;

async function createFixture() {
  const api = await CountingApi.open();
  const { namespace, name } = api;
  const edge: EdgeDevice = { metadata: { name, namespace, uid: "u1" } };
  const writer = new ObjectWriter(api);
  writer.begin(edge);
  return {
    api,
    edge,
    ensure: (stored?: Service) =>
      writer.ensure(SERVICE, service(edge), {
        stored,
        signal,
        toPatch: ({ spec }) =>
          spec?.type === "NodePort"
            ? undefined
            : { spec: { type: "NodePort" } },
      }),
    writer,
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

function service(edge: EdgeDevice): Service {
  return {
    metadata: ownedMeta(edge, edge.metadata.name),
    spec: { ports: [{ port: 80 }] },
  };
}

Deno.test("ensure() creates an object once although the informer has not seen it", async () => {
  await using fixture = await createFixture();
  const { api, ensure } = fixture;
  await ensure();
  await ensure();
  await ensure();
  assert.deepEqual(api.takeWriteCounts(), {
    "create services": 1,
    "patch services": 1,
  });
});

Deno.test("ensure() reports a conflict for a foreign object", async () => {
  await using fixture = await createFixture();
  const { api, edge, ensure, writer } = fixture;
  const { namespace, name } = api;
  await api.putObject(SERVICE, {
    ...service(edge),
    metadata: { namespace, name },
  });
  await ensure();
  assert.deepEqual(api.takeWriteCounts(), { "create services": 1 });
  assert.equal(writer.conflicts[0]?.reason, "ServiceExists");
});

Deno.test("ensure() replaces an object of a deleted EdgeDevice of the same name", async () => {
  await using fixture = await createFixture();
  const { api, edge, ensure } = fixture;
  const former = await api.putObject(
    SERVICE,
    service({ metadata: { ...edge.metadata, uid: "u0" } }),
  );
  await ensure(former);
  const found = await api.get(SERVICE, former.metadata);
  assert.equal(found.metadata.ownerReferences?.[0]?.uid, "u1");
});

Deno.test("ensure() never patches an object that replaced the one it knows", async () => {
  await using fixture = await createFixture();
  const { api, edge, ensure } = fixture;
  const { namespace, name } = api;
  const known = await api.putObject(SERVICE, service(edge));
  await api.deleteObject(SERVICE, known.metadata);
  const foreign = await api.putObject(SERVICE, {
    ...service(edge),
    metadata: { namespace, name },
  });
  await assert.rejects(ensure(known), {
    code: "conflict",
    message: /services ".*": another object has its name/,
  });
  assert.deepEqual(await api.get(SERVICE, known.metadata), foreign);
});

Deno.test("patch() drops the own last write when another object has the name", async () => {
  await using fixture = await createFixture();
  const { api, edge, ensure, writer } = fixture;
  const own = await ensure();
  assert.ok(own);
  await api.deleteObject(SERVICE, own.metadata);
  await api.putObject(SERVICE, service(edge));
  assert.equal(writer.latest<Service>(SERVICE.kind, undefined), own);
  const body = { spec: { type: "ClusterIP" } };
  await assert.rejects(writer.patch(SERVICE, own, { body, signal }), {
    code: "conflict",
  });
  assert.equal(writer.latest(SERVICE.kind, undefined), undefined);
});

Deno.test("latest() returns the newer one of informer and own write, and the informer's after forgetWrite()", () => {
  const writer = new ObjectWriter({} as KubeClient);
  const at = (resourceVersion: string): Service => ({
    metadata: { name: "edge-1", uid: "s1", resourceVersion },
  });
  writer.recordWrite("Service", at("5"));
  assert.equal(
    writer.latest("Service", undefined)?.metadata.resourceVersion,
    "5",
  );
  assert.equal(
    writer.latest("Service", at("4"))?.metadata.resourceVersion,
    "5",
  );
  assert.equal(
    writer.latest("Service", at("6"))?.metadata.resourceVersion,
    "6",
  );
  writer.recordWrite("Service", at("7"));
  writer.forgetWrite("Service");
  assert.equal(writer.latest("Service", undefined), undefined);
});

Deno.test("latest() drops the own last write when the informer has not seen it for 10 s", () => {
  const clock = new ShiftedClock();
  const writer = new ObjectWriter({} as KubeClient, { clock });
  const own = { metadata: { name: "edge-1", uid: "s1", resourceVersion: "5" } };
  writer.recordWrite("Service", own);
  clock.advance(5000);
  assert.equal(writer.latest("Service", undefined), own);
  clock.advance(5001);
  assert.equal(writer.latest("Service", undefined), undefined);
});

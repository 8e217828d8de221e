// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { CONFIG_MAP, EVENT, POD } from "../../../lib/operator/kube/mod.ts";
import { NAMESPACE, SERVICE_ACCOUNT } from "../_support/kinds.ts";
import {
  create,
  EventListSchema,
  FetchBlobsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { openCluster } from "../../_support/mod.ts";
import { NODE_NAME, SETTINGS, Stage } from "./_support/stage.ts";

Deno.test("PodController", async (t) => {
  await using cluster = await openCluster();
  const step = (name: string, work: (stage: Stage) => Promise<void>) =>
    t.step(name, async () => {
      const namespace = `ns-${crypto.randomUUID().slice(0, 8)}`;
      await using stage = await Stage.start(cluster, namespace);
      await work(stage);
    });

  await step("asks for the whole list again from time to time", async (s) => {
    await s.lane.close();
    s.open({ settings: { ...SETTINGS, podSyncMs: 50 } });
    s.connect();
    await s.createPod("web");
    await s.called("apply " + `${s.namespace}/web`);
    s.device.report("web");
    // The device lost it, and its report of that was lost too.
    s.device.statuses.clear();
    s.device.calls.length = 0;
    await s.called("apply " + `${s.namespace}/web`);
  });

  await step(
    "sends a pod, writes its status, and ends it when deleted",
    async (s) => {
      s.connect();
      await s.createPod("web");
      await s.called("apply " + `${s.namespace}/web`);
      assert.ok((await s.pod("web"))?.status?.startTime);
      s.device.report("web");
      const running = await s.until(async () => {
        const pod = await s.pod("web");
        return pod?.status?.phase === "Running" && pod;
      });
      const { status } = running;
      assert.equal(status?.podIP, "10.9.0.2");
      assert.equal(status?.hostIP, "192.0.2.7");
      assert.equal(
        status?.conditions?.find(({ type }) => type === "Ready")?.status,
        "True",
      );
      await s.client.delete(POD, { namespace: s.namespace, name: "web" }, {
        gracePeriodSeconds: 7,
      });
      await s.called("remove web");
      assert.deepEqual(s.device.graces, [7]);
      const ending = await s.until(async () => {
        const pod = await s.pod("web");
        const ready = pod?.status?.conditions?.find(({ type }) =>
          type === "Ready"
        );
        return ready?.status === "False" && pod;
      });
      assert.ok(ending.metadata.deletionTimestamp);
      s.device.report("web", { exitCode: 143, gone: true });
      await s.until(async () => (await s.pod("web")) === undefined);
      await s.called("forget web");
    },
  );

  await step("finalizes alone a pod that was never sent", async (s) => {
    await s.createPod("never");
    await s.until(() =>
      s.lane.directory.list({ running: false }).items.length === 1
    );
    await s.client.delete(POD, { namespace: s.namespace, name: "never" });
    await s.until(async () => (await s.pod("never")) === undefined);
    assert.deepEqual(s.device.calls, []);
  });

  await step(
    "leaves a pod that was sent while the device is away, also after a restart",
    async (s) => {
      s.connect();
      await s.createPod("sent");
      await s.called(`apply ${s.namespace}/sent`);
      s.device.report("sent");
      await s.until(async () => (await s.pod("sent"))?.status?.podIP);
      await s.lane.close();
      s.open();
      await s.client.delete(POD, { namespace: s.namespace, name: "sent" }, {
        gracePeriodSeconds: 1,
      });
      await s.until(() =>
        s.lane.directory.list({ running: false }).items[0]?.metadata
          .deletionTimestamp
      );
      await s.lane.idle();
      assert.ok(await s.pod("sent"));
      s.connect();
      await s.called("remove sent");
      s.device.report("sent", { exitCode: 0, gone: true });
      await s.until(async () => (await s.pod("sent")) === undefined);
    },
  );

  await step(
    "ends a pod whose object vanished, before one of the same name starts",
    async (s) => {
      s.connect();
      await s.createPod("twin", { terminationGracePeriodSeconds: 4 });
      await s.called(`apply ${s.namespace}/twin`);
      s.device.report("twin");
      await s.until(async () => (await s.pod("twin"))?.status?.podIP);
      const former = s.device.uidOf("twin");
      await s.client.delete(POD, { namespace: s.namespace, name: "twin" }, {
        gracePeriodSeconds: 0,
      });
      await s.createPod("twin");
      await s.called("remove twin");
      // The last change before the object vanishes may be seen or not.
      assert.ok([0, 4].includes(s.device.graces[0] ?? -1));
      await s.lane.idle();
      assert.equal(s.device.specs.size, 1);
      s.device.report("twin", { exitCode: 137, gone: true });
      await s.called("forget twin");
      await s.until(() =>
        s.device.specs.size === 1 && !s.device.specs.has(former)
      );
      assert.deepEqual(
        s.device.calls.filter((call) => call !== "list").at(-1),
        `apply ${s.namespace}/twin`,
      );
    },
  );

  await step(
    "refuses a field it can't serve by an Event, and the pod stays Pending",
    async (s) => {
      s.connect();
      await s.createPod("odd", {
        containers: [{
          name: "app",
          image: "busybox:1",
          ports: [{ containerPort: 80, hostPort: 8080 }],
        }],
      });
      const pod = await s.until(async () => {
        const found = await s.pod("odd");
        return found?.status?.containerStatuses && found;
      });
      assert.equal(pod.status?.phase, "Pending");
      assert.equal(pod.status?.startTime, undefined);
      assert.deepEqual(s.device.calls, ["list"]);
      await s.until(async () => {
        const { items } = await s.client.list(EVENT, {
          namespace: s.namespace,
        });
        return items.some(({ message }) =>
          message?.includes("spec.containers[0].ports[0].hostPort")
        );
      });
      await s.client.delete(POD, { namespace: s.namespace, name: "odd" });
      await s.until(async () => (await s.pod("odd")) === undefined);
    },
  );

  await step(
    "sends again what a changed ConfigMap touches, and answers for its content",
    async (s) => {
      const { namespace } = s;
      const metadata = { namespace, name: "cfg" };
      s.connect();
      await s.createPod("reads", {
        volumes: [{ name: "v", configMap: { name: "cfg" } }],
      });
      await s.called(`apply ${namespace}/reads`);
      const uid = s.device.uidOf("reads");
      assert.equal(
        s.device.specs.get(uid)?.volumes[0]?.blocked?.reason,
        "FailedMount",
      );
      await s.client.create(CONFIG_MAP, { metadata, data: { a: "one" } });
      const file = await s.until(() => {
        const source = s.device.specs.get(uid)?.volumes[0]?.source;
        return source?.case === "files" && source.value.files[0];
      });
      const sha256 = [file.sha256];
      const blobs = await s.lane.fetchBlobs(
        create(FetchBlobsSchema, { podUid: uid, sha256 }),
      );
      assert.deepEqual(
        blobs.contents.map((bytes) => new TextDecoder().decode(bytes)),
        ["one"],
      );
      await assert.rejects(
        s.lane.fetchBlobs(
          create(FetchBlobsSchema, { podUid: uid, sha256: ["00"] }),
        ),
        { code: "not_found" },
      );
      s.device.report("reads");
      await s.client.patch(CONFIG_MAP, metadata, {
        body: { data: { a: "two" } },
      });
      await s.until(() => {
        const source = s.device.specs.get(uid)?.volumes[0]?.source;
        return source?.case === "files" &&
          source.value.files[0]?.sha256 !== file.sha256;
      });
    },
  );

  await step(
    "writes Ready back after somebody else took it away",
    async (s) => {
      s.connect();
      const { namespace } = s;
      await s.createPod("back");
      await s.called(`apply ${namespace}/back`);
      s.device.report("back");
      const readyOf = async () =>
        (await s.pod("back"))?.status?.conditions?.find(({ type }) =>
          type === "Ready"
        )?.status;
      await s.until(async () => (await readyOf()) === "True");
      s.lane.onDisconnected();
      const conditions = [{ type: "Ready", status: "False" }];
      await s.client.patch(POD, { namespace, name: "back" }, {
        kind: "strategic",
        subresource: "status",
        body: { status: { conditions } },
      });
      await s.until(() =>
        s.lane.directory.list({ running: true }).items[0]?.status?.conditions
          ?.some((
            { type, status },
          ) => type === "Ready" && status === "False")
      );
      await s.lane.idle();
      assert.equal(await readyOf(), "False");
      s.connect();
      await s.until(async () => (await readyOf()) === "True");
      assert.equal(
        s.device.calls.filter((call) => call.startsWith("apply")).length,
        1,
      );
    },
  );

  await step("goes on with others when one pod fails", async (s) => {
    s.connect();
    s.device.failApply = new AranyaError("invalid", "Cannot apply pod: no");
    await s.createPod("bad");
    await s.called(`apply ${s.namespace}/bad`);
    s.device.failApply = undefined;
    await s.createPod("good");
    await s.called(`apply ${s.namespace}/good`);
  });

  await step(
    "leaves a pod of another namespace Pending, and tells why",
    async (s) => {
      s.connect();
      const namespace = `${s.namespace}-other`;
      await s.client.create(NAMESPACE, { metadata: { name: namespace } });
      await s.client.create(SERVICE_ACCOUNT, {
        metadata: { namespace, name: "default" },
      });
      await s.client.create(POD, {
        metadata: { namespace, name: "ds" },
        spec: {
          nodeName: NODE_NAME,
          containers: [{ name: "app", image: "busybox:1" }],
        },
      });
      await s.until(async () => {
        const { items } = await s.client.list(EVENT, { namespace });
        return items.some(({ reason }) => reason === "NamespaceNotServed");
      });
      await s.client.delete(POD, { namespace, name: "ds" });
      await s.until(async () =>
        (await s.client.find(POD, { namespace, name: "ds" })) === undefined
      );
      assert.deepEqual(s.device.calls, ["list"]);
    },
  );

  await step(
    "gets a token for the pod's account and names targets and events",
    async (s) => {
      s.connect();
      await s.createPod("token", {
        volumes: [{
          name: "t",
          projected: {
            sources: [{
              serviceAccountToken: { path: "token", expirationSeconds: 3600 },
            }],
          },
        }],
      });
      await s.called(`apply ${s.namespace}/token`);
      const uid = s.device.uidOf("token");
      const source = s.device.specs.get(uid)?.volumes[0]?.source;
      assert.ok(source?.case === "files" && source.value.secret);
      const target = { namespace: s.namespace, pod: "token", container: "" };
      assert.equal(
        s.lane.directory.findContainer(target).waiting?.reason,
        "ContainerCreating",
      );
      s.device.report("token");
      assert.equal(s.lane.directory.findContainer(target).running, true);
      assert.throws(
        () => s.lane.directory.findContainer({ ...target, container: "x" }),
        {
          code: "not_found",
        },
      );
      assert.throws(
        () => s.lane.directory.findContainer({ ...target, uid: "x" }),
        {
          code: "not_found",
        },
      );
      const others = s.lane.onEvents(create(EventListSchema, {
        events: [
          {
            podUid: uid,
            container: "app",
            reason: "Started",
            message: "Started container app",
          },
          {
            podUid: "",
            reason: "Rebooted",
            message: "device was started anew",
          },
        ],
      }));
      assert.deepEqual(others.map(({ reason }) => reason), ["Rebooted"]);
      await s.until(async () => {
        const { items } = await s.client.list(EVENT, {
          namespace: s.namespace,
        });
        return items.some(({ reason, involvedObject }) =>
          reason === "Started" &&
          involvedObject.fieldPath === "spec.containers{app}"
        );
      });
    },
  );
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, MemoryPool } from "../../../lib/shared/base/mod.ts";
import {
  CONFIG_MAP,
  EVENT,
  type KubeClient,
  type KubeVolume,
  POD,
} from "../../../lib/operator/kube/mod.ts";
import { NAMESPACE, SERVICE_ACCOUNT } from "../_support/kinds.ts";
import {
  create,
  EventListSchema,
  FetchBlobsSchema,
  PodStatusListSchema,
} from "../../../lib/shared/wire/mod.ts";
import { openCluster } from "../../_support/cluster.ts";
import { PodClient } from "../../../lib/operator/pods/pod_client.ts";
import { NODE_NAME, PodFixture, SETTINGS } from "./_support/pod_fixture.ts";

const TOKEN_VOLUME: KubeVolume = {
  name: "t",
  projected: {
    sources: [{
      serviceAccountToken: { path: "token", expirationSeconds: 3600 },
    }],
  },
};

Deno.test("PodController", async (t) => {
  await using cluster = await openCluster();
  const step = (name: string, work: (fixture: PodFixture) => Promise<void>) =>
    t.step(name, async () => {
      const namespace = `ns-${crypto.randomUUID().slice(0, 8)}`;
      await using fixture = await PodFixture.start(cluster, namespace);
      await work(fixture);
    });

  await step(
    "lists the device's pods after each sync interval",
    async (fixture) => {
      await fixture.controller.close();
      fixture.open({ settings: { ...SETTINGS, podSyncMs: 50 } });
      fixture.connect();
      await fixture.createPod("web");
      await fixture.waitForCall(`apply ${fixture.namespace}/web`);
      fixture.device.report("web");
      // The device has lost the pod, and its report of that was lost too.
      fixture.device.statuses.clear();
      fixture.device.calls.length = 0;
      await fixture.waitForCall(`apply ${fixture.namespace}/web`);
    },
  );

  await step(
    "refuses a report for which the statuses of all devices leave no room, and stores it later",
    async (fixture) => {
      const pool = new MemoryPool({
        guaranteedBytes: 0,
        reserveBytes: 100_000,
      });
      using others = pool.join();
      others.resize(60_000);
      await fixture.controller.close();
      fixture.open({ memory: pool.join() });
      const report = create(PodStatusListSchema, {
        pods: ["a", "b", "c"].map((uid) => ({
          uid,
          namespace: fixture.namespace,
          name: uid,
          failureMessage: "x".repeat(15_000),
        })),
      });
      await assert.rejects(fixture.controller.onPodsReported(report), {
        code: "unavailable",
        message:
          'Cannot store statuses of pods on node "edge-1": the memory for those of all devices is used up',
      });
      others.resize(0);
      await fixture.controller.onPodsReported(report);
      await fixture.controller.close();
      assert.equal(pool.reservedBytes, 0);
    },
  );

  await step(
    "sends a pod, writes its status, and terminates it when it is deleted",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("web");
      await fixture.waitForCall(`apply ${fixture.namespace}/web`);
      assert.ok((await fixture.pod("web"))?.status?.startTime);
      fixture.device.report("web");
      const running = await fixture.until(async () => {
        const pod = await fixture.pod("web");
        return pod?.status?.phase === "Running" && pod;
      });
      const { status } = running;
      assert.equal(status?.podIP, "10.9.0.2");
      assert.equal(status?.hostIP, "192.0.2.7");
      assert.equal(
        status?.conditions?.find(({ type }) => type === "Ready")?.status,
        "True",
      );
      await fixture.client.delete(POD, {
        namespace: fixture.namespace,
        name: "web",
      }, {
        gracePeriodSeconds: 7,
      });
      await fixture.waitForCall("remove web");
      assert.deepEqual(fixture.device.graces, [7]);
      const ending = await fixture.until(async () => {
        const pod = await fixture.pod("web");
        const ready = pod?.status?.conditions?.find(({ type }) =>
          type === "Ready"
        );
        return ready?.status === "False" && pod;
      });
      assert.ok(ending.metadata.deletionTimestamp);
      fixture.device.report("web", { exitCode: 143, terminated: true });
      await fixture.until(async () => (await fixture.pod("web")) === undefined);
      await fixture.waitForCall("purge web");
    },
  );

  await step(
    "deletes a pod that was never sent without the device",
    async (fixture) => {
      await fixture.createPod("never");
      await fixture.until(() =>
        fixture.controller.directory.list({ running: false }).items.length === 1
      );
      await fixture.client.delete(POD, {
        namespace: fixture.namespace,
        name: "never",
      });
      await fixture.until(async () =>
        (await fixture.pod("never")) === undefined
      );
      assert.deepEqual(fixture.device.calls, []);
    },
  );

  await step(
    "keeps a deleted pod that was sent while the device is offline, also after a restart",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("sent");
      await fixture.waitForCall(`apply ${fixture.namespace}/sent`);
      fixture.device.report("sent");
      await fixture.until(async () =>
        (await fixture.pod("sent"))?.status?.podIP
      );
      await fixture.controller.close();
      fixture.open();
      await fixture.client.delete(POD, {
        namespace: fixture.namespace,
        name: "sent",
      }, {
        gracePeriodSeconds: 1,
      });
      await fixture.until(() =>
        fixture.controller.directory.list({ running: false }).items[0]?.metadata
          .deletionTimestamp
      );
      await fixture.controller.idle();
      assert.ok(await fixture.pod("sent"));
      fixture.connect();
      await fixture.waitForCall("remove sent");
      fixture.device.report("sent", { exitCode: 0, terminated: true });
      await fixture.until(async () =>
        (await fixture.pod("sent")) === undefined
      );
    },
  );

  await step(
    "removes a pod that was deleted by force before one of its name starts",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("twin", { terminationGracePeriodSeconds: 4 });
      await fixture.waitForCall(`apply ${fixture.namespace}/twin`);
      fixture.device.report("twin");
      await fixture.until(async () =>
        (await fixture.pod("twin"))?.status?.podIP
      );
      const former = fixture.device.uidOf("twin");
      await fixture.client.delete(POD, {
        namespace: fixture.namespace,
        name: "twin",
      }, {
        gracePeriodSeconds: 0,
      });
      await fixture.createPod("twin");
      await fixture.waitForCall("remove twin");
      // The deletion with grace period 0 may be seen as a change before the object is deleted.
      assert.ok([0, 4].includes(fixture.device.graces[0] ?? -1));
      await fixture.controller.idle();
      assert.equal(fixture.device.specs.size, 1);
      fixture.device.report("twin", { exitCode: 137, terminated: true });
      await fixture.waitForCall("purge twin");
      await fixture.until(() =>
        fixture.device.specs.size === 1 && !fixture.device.specs.has(former)
      );
      assert.deepEqual(
        fixture.device.calls.filter((call) => call !== "list").at(-1),
        `apply ${fixture.namespace}/twin`,
      );
    },
  );

  await step(
    "leaves a pod with an unsupported field Pending, with an Event",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("odd", {
        containers: [{
          name: "app",
          image: "busybox:1",
          ports: [{ containerPort: 80, hostPort: 8080 }],
        }],
      });
      const pod = await fixture.until(async () => {
        const found = await fixture.pod("odd");
        return found?.status?.containerStatuses && found;
      });
      assert.equal(pod.status?.phase, "Pending");
      assert.equal(pod.status?.startTime, undefined);
      assert.deepEqual(fixture.device.calls, ["list"]);
      await fixture.until(async () => {
        const { items } = await fixture.client.list(EVENT, {
          namespace: fixture.namespace,
        });
        return items.some(({ message }) =>
          message?.includes("spec.containers[0].ports[0].hostPort")
        );
      });
      await fixture.client.delete(POD, {
        namespace: fixture.namespace,
        name: "odd",
      });
      await fixture.until(async () => (await fixture.pod("odd")) === undefined);
    },
  );

  await step(
    "sends a pod again when its ConfigMap changes, and returns the content",
    async (fixture) => {
      const { namespace } = fixture;
      const metadata = { namespace, name: "cfg" };
      fixture.connect();
      await fixture.createPod("reads", {
        volumes: [{ name: "v", configMap: { name: "cfg" } }],
      });
      await fixture.waitForCall(`apply ${namespace}/reads`);
      const uid = fixture.device.uidOf("reads");
      assert.equal(
        fixture.device.specs.get(uid)?.volumes[0]?.blocked?.reason,
        "FailedMount",
      );
      await fixture.client.create(CONFIG_MAP, { metadata, data: { a: "one" } });
      const file = await fixture.until(() => {
        const source = fixture.device.specs.get(uid)?.volumes[0]?.source;
        return source?.case === "files" && source.value.files[0];
      });
      const sha256 = [file.sha256];
      const blobs = await fixture.controller.fetchBlobs(
        create(FetchBlobsSchema, { podUid: uid, sha256 }),
      );
      assert.deepEqual(
        blobs.contents.map((bytes) => new TextDecoder().decode(bytes)),
        ["one"],
      );
      await assert.rejects(
        fixture.controller.fetchBlobs(
          create(FetchBlobsSchema, { podUid: uid, sha256: ["00"] }),
        ),
        { code: "not_found" },
      );
      fixture.device.report("reads");
      await fixture.client.patch(CONFIG_MAP, metadata, {
        body: { data: { a: "two" } },
      });
      await fixture.until(() => {
        const source = fixture.device.specs.get(uid)?.volumes[0]?.source;
        return source?.case === "files" &&
          source.value.files[0]?.sha256 !== file.sha256;
      });
    },
  );

  await step(
    "restores Ready after another client has cleared it",
    async (fixture) => {
      fixture.connect();
      const { namespace } = fixture;
      await fixture.createPod("back");
      await fixture.waitForCall(`apply ${namespace}/back`);
      fixture.device.report("back");
      const readyOf = async () =>
        (await fixture.pod("back"))?.status?.conditions?.find(({ type }) =>
          type === "Ready"
        )?.status;
      await fixture.until(async () => (await readyOf()) === "True");
      fixture.controller.onDeviceOffline();
      const conditions = [{ type: "Ready", status: "False" }];
      await fixture.client.patch(POD, { namespace, name: "back" }, {
        kind: "strategic",
        subresource: "status",
        body: { status: { conditions } },
      });
      await fixture.until(() =>
        fixture.controller.directory.list({ running: true }).items[0]?.status
          ?.conditions
          ?.some((
            { type, status },
          ) => type === "Ready" && status === "False")
      );
      await fixture.controller.idle();
      assert.equal(await readyOf(), "False");
      fixture.connect();
      await fixture.until(async () => (await readyOf()) === "True");
      assert.equal(
        fixture.device.calls.filter((call) => call.startsWith("apply")).length,
        1,
      );
    },
  );

  await step("syncs other pods when one fails", async (fixture) => {
    fixture.connect();
    fixture.device.failApply = new AranyaError(
      "invalid",
      "Cannot apply pod: no",
    );
    await fixture.createPod("bad");
    await fixture.waitForCall(`apply ${fixture.namespace}/bad`);
    await fixture.until(async () => {
      const { items } = await fixture.client.list(EVENT, {
        namespace: fixture.namespace,
      });
      return items.some(({ reason, message, involvedObject }) =>
        reason === "FailedToSend" && message === "Cannot apply pod: no" &&
        involvedObject.name === "bad"
      );
    });
    fixture.device.failApply = undefined;
    await fixture.createPod("good");
    await fixture.waitForCall(`apply ${fixture.namespace}/good`);
  });

  await step(
    "records an Event when the API server refuses the pod's status",
    async (fixture) => {
      await fixture.controller.close();
      const { client } = fixture;
      const refused = new AranyaError("forbidden", "Cannot patch: no");
      const refusing = {
        find: client.find.bind(client),
        delete: client.delete.bind(client),
        request: client.request.bind(client),
        patch: () => Promise.reject(refused),
      } as unknown as KubeClient;
      fixture.open({ client: new PodClient(refusing) });
      fixture.connect();
      await fixture.createPod("stuck");
      await fixture.until(async () => {
        const { items } = await client.list(EVENT, {
          namespace: fixture.namespace,
        });
        return items.some(({ reason, message }) =>
          reason === "FailedSync" && message === "Cannot patch: no"
        );
      });
      assert.deepEqual(fixture.device.calls, ["list"]);
    },
  );

  await step(
    "neither renews nor sends the tokens that the device holds after a change of the leader",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("token", { volumes: [TOKEN_VOLUME] });
      await fixture.waitForCall(`apply ${fixture.namespace}/token`);
      fixture.device.report("token");
      await fixture.until(async () =>
        (await fixture.pod("token"))?.status?.podIP
      );
      const requests = await fixture.changeLeader();
      await fixture.waitForCall("list");
      await fixture.controller.idle();
      assert.deepEqual(requests, []);
      assert.deepEqual(fixture.device.calls, ["list"]);
      // What it did not lose is still sent when the pod changes.
      const ref = { namespace: fixture.namespace, name: "token" };
      await fixture.client.patch(POD, ref, {
        body: { spec: { containers: [{ name: "app", image: "busybox:2" }] } },
      });
      await fixture.waitForCall(`apply ${fixture.namespace}/token`);
      assert.deepEqual(requests, []);
    },
  );

  await step(
    "renews tokens after a change of the leader when the agent does not report them",
    async (fixture) => {
      fixture.device.reportsTokens = false;
      fixture.connect();
      await fixture.createPod("old", { volumes: [TOKEN_VOLUME] });
      await fixture.waitForCall(`apply ${fixture.namespace}/old`);
      fixture.device.report("old");
      const hash = fixture.device.specs.get(fixture.device.uidOf("old"))
        ?.specHash;
      const requests = await fixture.changeLeader();
      await fixture.waitForCall(`apply ${fixture.namespace}/old`);
      assert.equal(requests.length, 1);
      const { specHash } =
        fixture.device.specs.get(fixture.device.uidOf("old")) ?? {};
      assert.equal(specHash, hash);
      // The same operator remembers what it sent.
      fixture.device.report("old");
      fixture.device.calls.length = 0;
      fixture.connect();
      await fixture.waitForCall("list");
      await fixture.controller.idle();
      assert.deepEqual(fixture.device.calls, ["list"]);
    },
  );

  await step(
    "leaves a pod of a namespace that is not served Pending, with an Event",
    async (fixture) => {
      fixture.connect();
      const namespace = `${fixture.namespace}-other`;
      await fixture.client.create(NAMESPACE, { metadata: { name: namespace } });
      await fixture.client.create(SERVICE_ACCOUNT, {
        metadata: { namespace, name: "default" },
      });
      await fixture.client.create(POD, {
        metadata: { namespace, name: "ds" },
        spec: {
          nodeName: NODE_NAME,
          containers: [{ name: "app", image: "busybox:1" }],
        },
      });
      await fixture.until(async () => {
        const { items } = await fixture.client.list(EVENT, { namespace });
        return items.some(({ reason }) => reason === "NamespaceNotServed");
      });
      await fixture.client.delete(POD, { namespace, name: "ds" });
      await fixture.until(async () =>
        (await fixture.client.find(POD, { namespace, name: "ds" })) ===
          undefined
      );
      assert.deepEqual(fixture.device.calls, ["list"]);
    },
  );

  await step(
    "requests a token for the pod, finds its container and records its Events",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("token", { volumes: [TOKEN_VOLUME] });
      await fixture.waitForCall(`apply ${fixture.namespace}/token`);
      const uid = fixture.device.uidOf("token");
      const source = fixture.device.specs.get(uid)?.volumes[0]?.source;
      assert.ok(source?.case === "files" && source.value.secret);
      const target = {
        namespace: fixture.namespace,
        pod: "token",
        container: "",
      };
      assert.equal(
        fixture.controller.directory.findContainer(target).waiting?.reason,
        "ContainerCreating",
      );
      fixture.device.report("token");
      assert.equal(
        fixture.controller.directory.findContainer(target).running,
        true,
      );
      assert.throws(
        () =>
          fixture.controller.directory.findContainer({
            ...target,
            container: "x",
          }),
        {
          code: "not_found",
        },
      );
      assert.throws(
        () =>
          fixture.controller.directory.findContainer({ ...target, uid: "x" }),
        {
          code: "not_found",
        },
      );
      const others = fixture.controller.recordEvents(create(EventListSchema, {
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
            message: "device has rebooted",
          },
        ],
      }));
      assert.deepEqual(others.map(({ reason }) => reason), ["Rebooted"]);
      await fixture.until(async () => {
        const { items } = await fixture.client.list(EVENT, {
          namespace: fixture.namespace,
        });
        return items.some(({ reason, involvedObject }) =>
          reason === "Started" &&
          involvedObject.fieldPath === "spec.containers{app}"
        );
      });
    },
  );
});

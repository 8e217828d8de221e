// SPDX-License-Identifier: Apache-2.0
/**
 * Single pods on a device: logs, restarts, refusals, grace periods, drain, and deletion of the
 * device.
 */
import assert from "node:assert/strict";
import { until } from "../../dev/base/wait.ts";
import { IMAGES, NAMESPACE } from "../../dev/world/mod.ts";
import {
  findPod,
  isReady,
  placement,
  podOn,
  untilNoPods,
  untilPod,
} from "./_support/pods.ts";
import {
  DEVICE,
  kubectl,
  mustDevice,
  scenario,
  untilDeleted,
  untilEvent,
  useWorld,
} from "./_support/scenario.ts";
import { engineState } from "./_support/engine.ts";

const world = useWorld();
const IMAGE = IMAGES.busybox;

scenario("kubectl logs -f follows a container until it exits", async () => {
  const script = "for i in 1 2 3 4 5; do echo line $i; sleep 0.3; done";
  await world().kubectl.apply(podOn(DEVICE, "writer", {
    restartPolicy: "Never",
    containers: [{ name: "main", image: IMAGE, command: ["sh", "-c", script] }],
  }));
  await untilPod(world(), "writer", {
    what: "started",
    is: (pod) => pod.status?.phase !== "Pending",
  });
  const log = await kubectl(world(), "logs", "-f", "writer");
  assert.equal(log.stdout, "line 1\nline 2\nline 3\nline 4\nline 5\n");
  await untilPod(world(), "writer", {
    what: "Succeeded",
    is: (pod) => pod.status?.phase === "Succeeded",
  });
  const again = await kubectl(world(), "logs", "--tail=1", "writer");
  assert.equal(again.stdout, "line 5\n");
  await world().run("delete", "pod", "writer");
});

scenario(
  "an init container runs first, and a container that fails is restarted with the same volumes",
  async () => {
    await world().kubectl.apply(podOn(DEVICE, "restarts", {
      initContainers: [{
        name: "first",
        image: IMAGE,
        command: ["sh", "-c", "echo ready > /data/first"],
        volumeMounts: [{ name: "data", mountPath: "/data" }],
      }],
      containers: [{
        name: "main",
        image: IMAGE,
        command: [
          "sh",
          "-c",
          "cat /data/first; if [ ! -e /data/once ]; then touch /data/once; exit 3; fi; exec sleep 3600",
        ],
        volumeMounts: [{ name: "data", mountPath: "/data" }],
      }],
      volumes: [{ name: "data", emptyDir: {} }],
    }));
    await untilPod(world(), "restarts", {
      what: "running again",
      is: (pod) =>
        isReady(pod) && pod.status?.containerStatuses?.[0]?.restartCount === 1,
    });
    const previous = await kubectl(world(), "logs", "--previous", "restarts");
    assert.equal(previous.stdout, "ready\n", previous.stderr);
    await world().run("delete", "pod", "restarts");
  },
);

scenario(
  "an absent image, ConfigMap and command are reported for their pods, and other pods are not affected",
  async () => {
    const pod = (name: string, container: Record<string, unknown>) =>
      podOn(DEVICE, name, {
        containers: [{
          name: "main",
          image: IMAGE,
          command: ["sleep", "3600"],
          ...container,
        }],
      });
    await world().kubectl.apply([
      pod("no-image", { image: "registry.invalid/none:1" }),
      pod("no-config", {
        env: [{
          name: "A",
          valueFrom: { configMapKeyRef: { name: "absent", key: "a" } },
        }],
      }),
      pod("no-command", { command: ["no-such-command"] }),
      pod("healthy", {}),
    ]);
    const reason = (name: string, pattern: RegExp) =>
      untilPod(world(), name, {
        what: `waiting for ${pattern}`,
        is: (one) =>
          pattern.test(
            JSON.stringify(one.status?.containerStatuses?.[0] ?? {}),
          ),
      });
    await untilPod(world(), "healthy", { what: "Ready", is: isReady });
    await reason("no-image", /ErrImagePull|ImagePullBackOff/);
    await reason(
      "no-config",
      /CreateContainerConfigError.*absent|absent.*CreateContainerConfigError/,
    );
    await reason("no-command", /no-such-command/);
    await world().kubectl.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "absent", namespace: NAMESPACE },
      data: { a: "b" },
    });
    await untilPod(world(), "no-config", { what: "Ready", is: isReady });
    await world().run(
      "delete",
      "pod",
      "no-image",
      "no-config",
      "no-command",
      "healthy",
      "--timeout=60s",
    );
    await world().run("delete", "configmap", "absent");
  },
);

scenario(
  "a pod with an unsupported field is refused with an Event that names the field",
  async () => {
    await world().kubectl.apply(podOn(DEVICE, "refused", {
      containers: [{
        name: "main",
        image: IMAGE,
        command: ["sleep", "3600"],
        ports: [{ containerPort: 80, hostPort: 8088 }],
      }],
    }));
    await untilEvent(world(), "refused", /hostPort/);
    assert.deepEqual(
      (await mustDevice(world()).dockerd.run(["ps", "-q"])).trim(),
      "",
    );
    await world().run("delete", "pod", "refused", "--timeout=30s");
  },
);

scenario(
  "deleting a pod sends SIGTERM and does not wait for the whole grace period",
  async () => {
    await world().kubectl.apply(podOn(DEVICE, "graceful", {
      terminationGracePeriodSeconds: 20,
      containers: [{
        name: "main",
        image: IMAGE,
        command: [
          "sh",
          "-c",
          "trap 'echo received > /host/sigterm; exit 0' TERM; touch /host/up; while :; do sleep 0.1; done",
        ],
        volumeMounts: [{ name: "host", mountPath: "/host" }],
      }],
      volumes: [{
        name: "host",
        hostPath: { path: "/run/graceful", type: "DirectoryOrCreate" },
      }],
    }));
    const { machine } = mustDevice(world());
    await until(
      async () =>
        (await machine.tryRun("test", { args: ["-e", "/run/graceful/up"] }))
          .code === 0,
      { what: "the container's trap" },
    );
    const startMs = performance.now();
    await world().run("delete", "pod", "graceful", "--timeout=60s");
    assert.ok(
      performance.now() - startMs < 15_000,
      "it took 15 s or longer",
    );
    assert.equal(
      await machine.run("cat", { args: ["/run/graceful/sigterm"] }),
      "received\n",
    );
  },
);

scenario(
  "pods that are deleted and created again under the same names run again",
  async () => {
    const names = Array.from({ length: 8 }, (_, index) => `again-${index}`);
    const script = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    const pods = names.map((name) =>
      podOn(DEVICE, name, {
        containers: [{
          name: "app",
          image: IMAGE,
          command: ["sh", "-c", script],
        }],
      })
    );
    const uidOf = async (name: string) =>
      (await findPod(world(), name))?.metadata.uid;
    await world().kubectl.apply(pods);
    for (const name of names) {
      await untilPod(world(), name, { what: "Ready", is: isReady });
    }
    const former = await Promise.all(names.map(uidOf));
    await kubectl(world(), "delete", "pods", ...names, "--wait=false");
    await until(async () => {
      const uids = await Promise.all(names.map(uidOf));
      const missing = pods.filter((_, index) => uids[index] === undefined);
      if (missing.length > 0) await world().kubectl.apply(missing);
      return uids.every((uid, index) => uid && uid !== former[index]);
    }, { what: "new pods of the same names", timeoutMs: 60_000 });
    for (const name of names) {
      await untilPod(world(), name, { what: "Ready again", is: isReady });
    }
    await kubectl(world(), "delete", "pods", ...names, "--grace-period=1");
  },
);

scenario("kubectl drain of the device works without --force", async () => {
  await world().kubectl.apply({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "drained", namespace: NAMESPACE },
    spec: {
      selector: { matchLabels: { app: "drained" } },
      template: {
        metadata: { labels: { app: "drained" } },
        spec: {
          ...placement(DEVICE),
          terminationGracePeriodSeconds: 2,
          containers: [{
            name: "main",
            image: IMAGE,
            command: ["sleep", "3600"],
          }],
        },
      },
    },
  });
  await kubectl(
    world(),
    "wait",
    "--for=condition=Available",
    "--timeout=60s",
    "deployment/drained",
  );
  const before = await findPod(world(), DEVICE);
  const drain = await kubectl(
    world(),
    "drain",
    DEVICE,
    "--timeout=90s",
    "--delete-emptydir-data",
  );
  assert.equal(drain.code, 0, drain.stderr);
  await untilPod(world(), DEVICE, {
    what: "created again",
    is: (pod) => pod.metadata.uid !== before?.metadata.uid && isReady(pod),
  });
  await world().run("uncordon", DEVICE);
  await world().run("delete", "deployment", "drained");
  await untilNoPods(world(), "app=drained");
});

scenario(
  "deleting the EdgeDevice leaves nothing in the cluster and on the device",
  async () => {
    await world().kubectl.apply(
      podOn(DEVICE, "orphan", {
        containers: [{
          name: "main",
          image: IMAGE,
          command: ["sleep", "3600"],
        }],
      }),
    );
    await untilPod(world(), "orphan", { what: "Ready", is: isReady });
    await world().run("delete", "edgedevice", DEVICE, "--timeout=90s");
    await untilDeleted(world(), "node", DEVICE);
    await untilDeleted(world(), "pod", DEVICE);
    await until(async () => {
      const names = await kubectl(
        world(),
        "get",
        "pods,services,secrets,endpointslices",
        "-o",
        "name",
      );
      const lease = await world().kubectl.tryRun([
        "-n",
        "kube-node-lease",
        "get",
        "lease",
        "-o",
        "name",
      ]);
      const requests = await world().kubectl.tryRun([
        "get",
        "csr",
        "-o",
        "name",
      ]);
      const ours = (names.stdout + lease.stdout + requests.stdout).split("\n")
        .filter((one) => one.includes(DEVICE) || one.includes("orphan"));
      return ours.length === 0;
    }, {
      what: "a cluster without the device",
      timeoutMs: 90_000,
      intervalMs: 500,
    });
    await until(async () => {
      const now = await engineState(world());
      return Object.values(now).every((found) => found.length === 0);
    }, {
      what: "an engine as before the first pod",
      timeoutMs: 60_000,
      detail: async () => JSON.stringify(await engineState(world())),
    });
  },
);

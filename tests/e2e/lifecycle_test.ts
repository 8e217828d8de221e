// SPDX-License-Identifier: Apache-2.0
/**
 * A container's lifecycle as kubectl shows it: exits, restarts, probes, hooks, updates, and
 * restarts of engine, agent and operator. The last three scenarios share the pod "reader".
 */
import assert from "node:assert/strict";
import { until } from "../../dev/base/wait.ts";
import { NAMESPACE } from "../../dev/world/mod.ts";
import {
  container,
  containerId,
  firstContainer,
  isReady,
  type PodObject,
  podOn,
  untilPod,
} from "./_support/pods.ts";
import {
  DEVICE,
  kubectl,
  mustDevice,
  scenario,
  untilCondition,
  untilDeleted,
  untilEvent,
  useWorld,
} from "./_support/scenario.ts";

const world = useWorld();

/** Deletes a pod and waits for its deletion. */
async function deletePod(name: string): Promise<void> {
  await world().run("delete", "pod", name, "--timeout=60s");
  await untilDeleted(world(), "pod", name);
}

scenario(
  "a container that fails is restarted with back-off, and its last state has its termination message",
  async () => {
    await world().kubectl.apply(podOn(DEVICE, "crasher", {
      containers: [container("echo the cause > /dev/termination-log; exit 3")],
    }));
    const once = await untilPod(world(), "crasher", {
      what: "restarted",
      is: (pod) => (firstContainer(pod)?.restartCount ?? 0) >= 1,
    });
    const ended = firstContainer(once)?.lastState?.terminated;
    assert.equal(ended?.exitCode, 3);
    assert.equal(ended?.reason, "Error");
    assert.equal(ended?.message, "the cause\n");
    const waiting = await untilPod(world(), "crasher", {
      what: "in CrashLoopBackOff",
      is: (pod) =>
        firstContainer(pod)?.state.waiting?.reason === "CrashLoopBackOff" &&
        (firstContainer(pod)?.restartCount ?? 0) >= 1,
    });
    assert.equal(waiting.status?.phase, "Running");
    assert.match(
      firstContainer(waiting)?.state.waiting?.message ?? "",
      /^back-off [12]0s restarting failed container=main pod=crasher_/,
    );
    await untilEvent(world(), "crasher", /BackOff/);
    await deletePod("crasher");
  },
);

scenario(
  "a pod with restart policy Never fails when its init container fails",
  async () => {
    await world().kubectl.apply(podOn(DEVICE, "init-fails", {
      restartPolicy: "Never",
      initContainers: [container("exit 4", { name: "prepare" })],
      containers: [container("sleep 3600")],
    }));
    const pod = await untilPod(world(), "init-fails", {
      what: "Failed",
      is: (pod) => pod.status?.phase === "Failed",
    });
    const init = pod.status?.initContainerStatuses?.[0];
    assert.equal(init?.state.terminated?.exitCode, 4);
    assert.equal(firstContainer(pod)?.state.waiting?.reason, "PodInitializing");
    await deletePod("init-fails");
  },
);

scenario(
  "an image that can't be pulled has the kubelet's waiting reasons",
  async () => {
    await world().kubectl.apply([
      podOn(DEVICE, "never-pulled", {
        containers: [
          container("true", { image: "absent:1", imagePullPolicy: "Never" }),
        ],
      }),
      podOn(DEVICE, "not-pulled", {
        containers: [container("true", { image: "127.0.0.1:1/absent:1" })],
      }),
    ]);
    const reason = (wanted: string) => ({
      what: wanted,
      is: (pod: PodObject) =>
        firstContainer(pod)?.state.waiting?.reason === wanted,
    });
    await untilPod(world(), "not-pulled", reason("ErrImagePull"));
    await untilPod(world(), "not-pulled", reason("ImagePullBackOff"));
    await untilPod(world(), "never-pulled", reason("ErrImageNeverPull"));
    await deletePod("never-pulled");
    await deletePod("not-pulled");
  },
);

scenario("a container is restarted when its liveness probe fails", async () => {
  await world().kubectl.apply(podOn(DEVICE, "unhealthy", {
    containers: [container("sleep 2; touch /unhealthy; exec sleep 3600", {
      livenessProbe: {
        exec: { command: ["test", "!", "-e", "/unhealthy"] },
        periodSeconds: 1,
        failureThreshold: 2,
      },
    })],
  }));
  const pod = await untilPod(world(), "unhealthy", {
    what: "restarted",
    is: (pod) => (firstContainer(pod)?.restartCount ?? 0) >= 1,
  });
  assert.equal(firstContainer(pod)?.lastState?.terminated?.exitCode, 137);
  await untilEvent(world(), "unhealthy", /Unhealthy Liveness probe failed/);
  await untilEvent(world(), "unhealthy", /Killing .*failed liveness probe/);
  await deletePod("unhealthy");
});

scenario(
  "a preStop hook runs before SIGTERM, within the grace period",
  async () => {
    const { machine } = mustDevice(world());
    await world().kubectl.apply(podOn(DEVICE, "pre-stop", {
      terminationGracePeriodSeconds: 20,
      containers: [container(
        "trap 'echo term >> /out/order; exit 0' TERM; while :; do sleep 0.1; done",
        {
          lifecycle: {
            preStop: {
              exec: {
                command: ["sh", "-c", "echo pre >> /out/order; sleep 1"],
              },
            },
          },
          volumeMounts: [{ name: "out", mountPath: "/out" }],
        },
      )],
      volumes: [{
        name: "out",
        hostPath: { path: "/var/lib/pre-stop", type: "DirectoryOrCreate" },
      }],
    }));
    await untilPod(world(), "pre-stop", { what: "Ready", is: isReady });
    const startMs = performance.now();
    await deletePod("pre-stop");
    const tookMs = performance.now() - startMs;
    const order = await machine.run("cat", {
      args: ["/var/lib/pre-stop/order"],
    });
    assert.equal(order.trim(), "pre\nterm");
    assert.ok(tookMs < 15_000, `took ${tookMs} ms`);
  },
);

scenario(
  "failing hooks are reported as Events; a container waits for the hook of the one before",
  async () => {
    const hook = (script: string) => ({
      exec: { command: ["sh", "-c", script] },
    });
    await world().kubectl.apply(podOn(DEVICE, "hooks", {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 5,
      containers: [
        container("exec sleep 3600", {
          lifecycle: {
            postStart: hook("sleep 2; echo not today; exit 3"),
            preStop: hook("exit 4"),
          },
        }),
        container("exec sleep 3600", { name: "second" }),
      ],
    }));
    const findState = ({ status }: PodObject, container: string) =>
      status?.containerStatuses?.find(({ name }) => name === container)?.state;
    const started = await untilPod(world(), "hooks", {
      what: "running in its second container",
      is: (pod) => findState(pod, "second")?.running !== undefined,
    });
    // The first container was shown as waiting until its hook had ended.
    assert.ok(!findState(started, "main")?.waiting);
    await untilEvent(world(), "hooks", /^FailedPostStartHook .*not today/);
    // The stop of the container whose postStart hook failed.
    await untilEvent(world(), "hooks", /^FailedPreStopHook /);
    await deletePod("hooks");
  },
);

scenario(
  "a pod past its active deadline becomes Failed, whatever its restart policy",
  async () => {
    await world().kubectl.apply(podOn(DEVICE, "late", {
      activeDeadlineSeconds: 3,
      terminationGracePeriodSeconds: 2,
      containers: [container("exec sleep 3600")],
    }));
    const { metadata, status } = await untilPod(world(), "late", {
      what: "Failed",
      is: ({ status }) => status?.phase === "Failed",
    });
    assert.equal(status?.reason, "DeadlineExceeded");
    // The container is kept for its log, the infra container is not.
    const { machine } = mustDevice(world());
    await until(async () => {
      const names = await machine.run("docker", {
        args: ["ps", "--all", "--format", "{{.Names}}"],
      });
      const own = names.split("\n").filter((one) => one.includes(metadata.uid));
      return own.length === 1 && own[0]?.includes("_main_late_");
    }, "the end of the infra container");
    await deletePod("late");
  },
);

scenario("an updated ConfigMap changes the mounted file", async () => {
  const map = (text: string) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "settings", namespace: NAMESPACE },
    data: { text },
  });
  await world().kubectl.apply([
    map("before"),
    podOn(DEVICE, "reader", {
      containers: [container("exec sleep 3600", {
        volumeMounts: [{ name: "settings", mountPath: "/settings" }],
      })],
      volumes: [{ name: "settings", configMap: { name: "settings" } }],
    }),
  ]);
  await untilPod(world(), "reader", { what: "Ready", is: isReady });
  const read = async () =>
    (await kubectl(world(), "exec", "reader", "--", "cat", "/settings/text"))
      .stdout;
  assert.equal(await read(), "before");
  await world().kubectl.apply(map("after"));
  await until(async () => await read() === "after", {
    what: "the new text in the container",
    timeoutMs: 90_000,
    intervalMs: 500,
    detail: read,
  });
});

scenario(
  "the Node is NotReady while the engine is stopped, and its pods run again when it is back",
  async () => {
    const { dockerd } = mustDevice(world());
    await dockerd.stop();
    const ready = { kind: "node", name: DEVICE, type: "Ready" };
    await untilCondition(world(), { ...ready, status: "False" }, {
      timeoutMs: 20_000,
    });
    await dockerd.restart();
    await untilCondition(world(), { ...ready, status: "True" }, {
      timeoutMs: 30_000,
    });
    const pod = await untilPod(world(), "reader", {
      what: "Ready in a new sandbox",
      is: (pod) =>
        isReady(pod) && (firstContainer(pod)?.restartCount ?? 0) === 1,
      timeoutMs: 90_000,
    });
    assert.equal(pod.status?.phase, "Running");
  },
  { restarts: true },
);

scenario(
  "an agent without an operator restarts a container that has exited, and reports it later",
  async () => {
    const { dockerd, agent } = mustDevice(world());
    const ids = async () =>
      (await dockerd.run(["ps", "-q", "--filter", "name=reader"])).split("\n")
        .filter(Boolean);
    const before = await untilPod(world(), "reader", {
      what: "Ready",
      is: isReady,
    });
    const id = containerId(before);
    await world().operator.crash();
    await agent.crash();
    await dockerd.run(["kill", id]);
    const count = (await ids()).length;
    await agent.restart();
    await until(async () => (await ids()).length > count, {
      what: "a new container of the pod",
      timeoutMs: 60_000,
      intervalMs: 300,
      detail: () => agent.logTail(),
    });
    await world().operator.restart();
    const after = await untilPod(world(), "reader", {
      what: "Ready again with one more restart",
      is: (pod) =>
        isReady(pod) &&
        firstContainer(pod)?.restartCount ===
          (firstContainer(before)?.restartCount ?? 0) + 1,
      timeoutMs: 120_000,
    });
    assert.equal(firstContainer(after)?.lastState?.terminated?.exitCode, 137);
  },
  { restarts: true },
);

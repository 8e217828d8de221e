// SPDX-License-Identifier: Apache-2.0
/** A container's life as kubectl shows it: ends, restarts, probes, hooks, updates, and an engine or an agent that goes and comes. */
import assert from "node:assert/strict";
import { IMAGES, NAMESPACE, until } from "../_support/mod.ts";
import {
  type ContainerStatus,
  DEVICE,
  isReady,
  kubectl,
  mustDevice,
  type PodObject,
  podOn,
  story,
  untilEvent,
  untilGone,
  untilPod,
  useWorld,
} from "./_support/story.ts";

const world = useWorld();

function container(
  script: string,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    name: "main",
    image: IMAGES.busybox,
    command: ["sh", "-c", script],
    ...more,
  };
}

function first(pod: PodObject): ContainerStatus | undefined {
  return pod.status?.containerStatuses?.[0];
}

async function end(name: string): Promise<void> {
  await world().run("delete", "pod", name, "--timeout=60s");
  await untilGone(world(), "pod", name);
}

story(
  "a container that fails is restarted after growing delays; its end, with its last words, stays readable",
  async () => {
    await world().kubectl.apply(podOn(DEVICE, "crasher", {
      containers: [container("echo so it ends > /dev/termination-log; exit 3")],
    }));
    const once = await untilPod(world(), "crasher", {
      what: "restarted",
      is: (pod) => (first(pod)?.restartCount ?? 0) >= 1,
    });
    const ended = first(once)?.lastState?.terminated;
    assert.equal(ended?.exitCode, 3);
    assert.equal(ended?.reason, "Error");
    assert.equal(ended?.message, "so it ends\n");
    const waiting = await untilPod(world(), "crasher", {
      what: "in CrashLoopBackOff",
      is: (pod) =>
        first(pod)?.state.waiting?.reason === "CrashLoopBackOff" &&
        (first(pod)?.restartCount ?? 0) >= 1,
    });
    assert.equal(waiting.status?.phase, "Running");
    assert.match(
      first(waiting)?.state.waiting?.message ?? "",
      /^back-off [12]0s restarting failed container=main pod=crasher_/,
    );
    await untilEvent(world(), "crasher", /BackOff/);
    await end("crasher");
  },
);

story("an init container's failure ends a pod with policy Never", async () => {
  await world().kubectl.apply(podOn(DEVICE, "unprepared", {
    restartPolicy: "Never",
    initContainers: [container("exit 4", { name: "prepare" })],
    containers: [container("sleep 3600")],
  }));
  const pod = await untilPod(world(), "unprepared", {
    what: "Failed",
    is: (pod) => pod.status?.phase === "Failed",
  });
  const init = pod.status?.initContainerStatuses?.[0];
  assert.equal(init?.state.terminated?.exitCode, 4);
  assert.equal(first(pod)?.state.waiting?.reason, "PodInitializing");
  await end("unprepared");
});

story("an image that can't be had reads as a kubelet's", async () => {
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
    is: (pod: PodObject) => first(pod)?.state.waiting?.reason === wanted,
  });
  await untilPod(world(), "not-pulled", reason("ErrImagePull"));
  await untilPod(world(), "not-pulled", reason("ImagePullBackOff"));
  await untilPod(world(), "never-pulled", reason("ErrImageNeverPull"));
  await end("never-pulled");
  await end("not-pulled");
});

story("a container whose liveness probe fails is replaced", async () => {
  await world().kubectl.apply(podOn(DEVICE, "ailing", {
    containers: [container("sleep 2; touch /ill; exec sleep 3600", {
      livenessProbe: {
        exec: { command: ["test", "!", "-e", "/ill"] },
        periodSeconds: 1,
        failureThreshold: 2,
      },
    })],
  }));
  const pod = await untilPod(world(), "ailing", {
    what: "restarted",
    is: (pod) => (first(pod)?.restartCount ?? 0) >= 1,
  });
  assert.equal(first(pod)?.lastState?.terminated?.exitCode, 137);
  await untilEvent(world(), "ailing", /Unhealthy Liveness probe failed/);
  await untilEvent(world(), "ailing", /Killing .*failed liveness probe/);
  await end("ailing");
});

story("preStop runs within the grace, before SIGTERM", async () => {
  const { machine } = mustDevice(world());
  await world().kubectl.apply(podOn(DEVICE, "polite", {
    terminationGracePeriodSeconds: 20,
    containers: [container(
      "trap 'echo term >> /out/said; exit 0' TERM; while :; do sleep 0.1; done",
      {
        lifecycle: {
          preStop: {
            exec: {
              command: ["sh", "-c", "echo pre >> /out/said; sleep 1"],
            },
          },
        },
        volumeMounts: [{ name: "out", mountPath: "/out" }],
      },
    )],
    volumes: [{
      name: "out",
      hostPath: { path: "/var/lib/polite", type: "DirectoryOrCreate" },
    }],
  }));
  await untilPod(world(), "polite", { what: "Ready", is: isReady });
  const startMs = performance.now();
  await end("polite");
  const tookMs = performance.now() - startMs;
  const said = await machine.run("cat", { args: ["/var/lib/polite/said"] });
  assert.equal(said.trim(), "pre\nterm");
  assert.ok(tookMs < 15_000, `took ${tookMs} ms`);
});

story("a ConfigMap's update reaches the mounted file", async () => {
  const map = (text: string) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "words", namespace: NAMESPACE },
    data: { text },
  });
  await world().kubectl.apply([
    map("before"),
    podOn(DEVICE, "reader", {
      containers: [container("exec sleep 3600", {
        volumeMounts: [{ name: "words", mountPath: "/words" }],
      })],
      volumes: [{ name: "words", configMap: { name: "words" } }],
    }),
  ]);
  await untilPod(world(), "reader", { what: "Ready", is: isReady });
  const read = async () =>
    (await kubectl(world(), "exec", "reader", "--", "cat", "/words/text"))
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

async function nodeReady(): Promise<string> {
  return await world().run(
    ...["get", "node", DEVICE, "-o"],
    'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
  );
}

story(
  "an engine that stops makes the Node NotReady; its pods run again once it is back",
  async () => {
    const { dockerd } = mustDevice(world());
    await dockerd.stop();
    await until(async () => await nodeReady() === "False", {
      what: "a Node that is not Ready",
      timeoutMs: 20_000,
    });
    await dockerd.restart();
    await until(async () => await nodeReady() === "True", {
      what: "a Ready Node",
      timeoutMs: 30_000,
    });
    const pod = await untilPod(world(), "reader", {
      what: "Ready in a new sandbox",
      is: (pod) => isReady(pod) && (first(pod)?.restartCount ?? 0) === 1,
      timeoutMs: 90_000,
    });
    assert.equal(pod.status?.phase, "Running");
  },
  { restarts: true },
);

story(
  "an agent that starts while the operator is away restarts what has ended, and tells it later",
  async () => {
    const { dockerd, agent } = mustDevice(world());
    const ids = async () =>
      (await dockerd.run(["ps", "-q", "--filter", "name=reader"])).split("\n")
        .filter(Boolean);
    const before = await untilPod(world(), "reader", {
      what: "Ready",
      is: isReady,
    });
    const id = first(before)?.containerID?.replace("docker://", "") ?? "";
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
      what: "Ready again with a restart more",
      is: (pod) =>
        isReady(pod) &&
        first(pod)?.restartCount === (first(before)?.restartCount ?? 0) + 1,
      timeoutMs: 120_000,
    });
    assert.equal(first(after)?.lastState?.terminated?.exitCode, 137);
  },
  { restarts: true },
);

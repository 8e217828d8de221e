// SPDX-License-Identifier: Apache-2.0
/** Containers on a device. */
import assert from "node:assert/strict";
import { IMAGES, NAMESPACE, until } from "../support/mod.ts";
import {
  DEVICE,
  findPod,
  isReady,
  kubectl,
  mustDevice,
  placement,
  podOn,
  story,
  untilEvent,
  untilGone,
  untilPod,
  useWorld,
} from "./story.ts";

const world = useWorld();
const IMAGE = IMAGES.busybox;

/** What is on the device's engine besides what Docker itself brings. */
async function remains(): Promise<
  Record<"containers" | "networks" | "volumes" | "mounts", string[]>
> {
  const { dockerd, machine } = mustDevice(world());
  const lines = async (...args: string[]) =>
    (await dockerd.run(args)).split("\n").filter(Boolean);
  const mounts = await machine.run("cat", { args: ["/proc/self/mounts"] });
  return {
    containers: await lines("ps", "-aq"),
    networks: (await lines("network", "ls", "--format", "{{.Name}}"))
      .filter((one) => !["bridge", "host", "none"].includes(one)),
    volumes: await lines("volume", "ls", "-q"),
    mounts: mounts.split("\n").map((line) => line.split(" ")[1] ?? "")
      .filter((path) =>
        path.startsWith("/var/lib/") || path.startsWith("/run/")
      ).sort(),
  };
}

function deployment(): object[] {
  const labels = { app: "web" };
  return [{
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "web", namespace: NAMESPACE },
    data: {
      greeting: "good morning",
      "page.html": "<p>from the ConfigMap</p>",
    },
  }, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "web", namespace: NAMESPACE },
    stringData: { password: "open sesame" },
  }, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: NAMESPACE },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          ...placement(DEVICE),
          terminationGracePeriodSeconds: 2,
          ...webPod(),
        },
      },
    },
  }];
}

/** A server and one who asks it, with all that a pod gets from elsewhere. */
function webPod(): Record<string, unknown> {
  return {
    containers: [{
      name: "server",
      image: IMAGE,
      command: [
        "sh",
        "-c",
        'echo "$SAYING" > /shared/greeting; exec httpd -f -p 8080 -h /page',
      ],
      env: [
        {
          name: "GREETING",
          valueFrom: { configMapKeyRef: { name: "web", key: "greeting" } },
        },
        {
          name: "PASSWORD",
          valueFrom: { secretKeyRef: { name: "web", key: "password" } },
        },
        {
          name: "NODE",
          valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } },
        },
        { name: "SAYING", value: "$(GREETING), $(NODE): $(PASSWORD)" },
      ],
      volumeMounts: [{ name: "page", mountPath: "/page" }, {
        name: "shared",
        mountPath: "/shared",
      }],
    }, {
      name: "asker",
      image: IMAGE,
      command: [
        "sh",
        "-c",
        "until wget -qO- http://localhost:8080/page.html; do sleep 0.2; done; echo; cat /shared/greeting; cat /secret/password; echo; exec sleep 3600",
      ],
      volumeMounts: [{ name: "secret", mountPath: "/secret" }, {
        name: "shared",
        mountPath: "/shared",
      }],
    }],
    volumes: [
      { name: "page", configMap: { name: "web" } },
      { name: "secret", secret: { secretName: "web" } },
      { name: "shared", emptyDir: {} },
    ],
  };
}

async function webPodName(): Promise<string> {
  return (await world().run(
    "get",
    "pods",
    "-l",
    "app=web",
    "-o",
    "jsonpath={.items[0].metadata.name}",
  )).trim();
}

story(
  "a Deployment with ConfigMap and Secret becomes Available; its containers share localhost and an emptyDir",
  async () => {
    await world().kubectl.apply(deployment());
    const wait = await kubectl(
      world(),
      "wait",
      "--for=condition=Available",
      "--timeout=60s",
      "deployment/web",
    );
    assert.equal(
      wait.code,
      0,
      wait.stderr +
        (await kubectl(world(), "describe", "pods", "-l", "app=web")).stdout,
    );
    const log = await until(async () => {
      const text = await world().run("logs", "deployment/web", "-c", "asker");
      return text.includes("sesame\n") && text;
    }, { what: "the asker's log" });
    assert.match(
      log,
      /^<p>from the ConfigMap<\/p>\s+good morning, edge-1: open sesame\n(open sesame\n)+$/,
    );
  },
);

story(
  "a running pod's status tells addresses, container states and conditions",
  async () => {
    const pod = await untilPod(world(), await webPodName(), {
      what: "Ready",
      is: isReady,
    });
    assert.equal(pod.status?.phase, "Running");
    assert.equal(pod.status?.hostIP, mustDevice(world()).machine.address);
    assert.match(pod.status?.podIP ?? "", /^100\.\d+\.\d+\.\d+$/);
    const types =
      pod.status?.conditions?.filter((one) => one.status === "True").map((
        one,
      ) => one.type) ?? [];
    for (
      const type of [
        "PodScheduled",
        "Initialized",
        "ContainersReady",
        "Ready",
        "PodReadyToStartContainers",
      ]
    ) {
      assert.ok(types.includes(type), `${type} is not True: ${types}`);
    }
    for (const status of pod.status?.containerStatuses ?? []) {
      assert.match(status.containerID ?? "", /^docker:\/\/[0-9a-f]{64}$/);
      assert.ok(status.state.running?.startedAt);
      assert.equal(status.restartCount, 0);
    }
  },
);

story(
  "kubectl exec in a container returns its exit code and reads its standard input",
  async () => {
    const pod = await webPodName();
    const result = await world().kubectl.tryRun(
      [
        "-n",
        NAMESPACE,
        "exec",
        "-i",
        pod,
        "-c",
        "server",
        "--",
        "sh",
        "-c",
        "cat; exit 9",
      ],
      { stdin: "through" },
    );
    assert.deepEqual([result.stdout, result.code], ["through", 9]);
  },
);

story("kubectl cp brings a folder into a container and back", async () => {
  const pod = await webPodName();
  const local = await Deno.makeTempDir({ prefix: "aranya-cp-" });
  try {
    await Deno.mkdir(`${local}/up`);
    await Deno.writeTextFile(`${local}/up/data`, "x".repeat(300_000));
    const up = await kubectl(
      world(),
      "cp",
      `${local}/up`,
      `${pod}:/shared/up`,
      "-c",
      "server",
    );
    assert.equal(up.code, 0, up.stderr);
    const down = await kubectl(
      world(),
      "cp",
      `${pod}:/shared/up`,
      `${local}/down`,
      "-c",
      "asker",
    );
    assert.equal(down.code, 0, down.stderr);
    assert.equal(
      (await Deno.readTextFile(`${local}/down/data`)).length,
      300_000,
    );
  } finally {
    await Deno.remove(local, { recursive: true });
  }
});

story("kubectl port-forward reaches a server in the pod", async () => {
  const { machine } = world().kubectl;
  const port = await machine.freePort();
  await using running = world().kubectl.start([
    "-n",
    NAMESPACE,
    "port-forward",
    "deployment/web",
    `${port}:8080`,
  ]);
  const text = await until(async () => {
    const result = await machine.tryRun("busybox", {
      args: ["wget", "-qO-", `http://127.0.0.1:${port}/page.html`],
    });
    return result.code === 0 && result.stdout;
  }, {
    what: "an answer through port-forward",
    timeoutMs: 15_000,
    intervalMs: 300,
  });
  assert.equal(text, "<p>from the ConfigMap</p>");
  void running;
});

story(
  "kubectl delete of the Deployment leaves no container, network, volume, mount or pod",
  async () => {
    await world().run(
      "delete",
      "deployment/web",
      "configmap/web",
      "secret/web",
      "--cascade=foreground",
      "--timeout=60s",
    );
    await until(
      async () =>
        (await world().run("get", "pods", "-l", "app=web", "-o", "name"))
          .trim() === "",
      { what: "the end of the pods" },
    );
    const left = await until(async () => {
      const now = await remains();
      return now.containers.length === 0 && now;
    }, { what: "an engine without containers" });
    assert.deepEqual(left.volumes, []);
    assert.deepEqual(
      left.networks.filter((one) => !one.startsWith("aranya")),
      [],
    );
    assert.deepEqual(
      left.mounts.filter((path) =>
        /kubernetes|volumes|overlay2|netns\//.test(path)
      ),
      [],
    );
  },
);

story("kubectl logs -f follows a container to its end", async () => {
  const script = "for i in 1 2 3 4 5; do echo line $i; sleep 0.3; done";
  await world().kubectl.apply(podOn(DEVICE, "talker", {
    restartPolicy: "Never",
    containers: [{ name: "main", image: IMAGE, command: ["sh", "-c", script] }],
  }));
  await untilPod(world(), "talker", {
    what: "started",
    is: (pod) => pod.status?.phase !== "Pending",
  });
  const log = await kubectl(world(), "logs", "-f", "talker");
  assert.equal(log.stdout, "line 1\nline 2\nline 3\nline 4\nline 5\n");
  await untilPod(world(), "talker", {
    what: "Succeeded",
    is: (pod) => pod.status?.phase === "Succeeded",
  });
  const again = await kubectl(world(), "logs", "--tail=1", "talker");
  assert.equal(again.stdout, "line 5\n");
  await world().run("delete", "pod", "talker");
});

story(
  "an init container runs first, and a container that fails is restarted with its former state kept",
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

story(
  "an absent image, ConfigMap and command are each told, and other pods are unaffected",
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
          valueFrom: { configMapKeyRef: { name: "nowhere", key: "a" } },
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
      /CreateContainerConfigError.*nowhere|nowhere.*CreateContainerConfigError/,
    );
    await reason("no-command", /no-such-command/);
    await world().kubectl.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "nowhere", namespace: NAMESPACE },
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
    await world().run("delete", "configmap", "nowhere");
  },
);

story(
  "a field that isn't supported is refused for that pod with an Event that names it",
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

story(
  "a pod is deleted with its grace: SIGTERM is heard, then the object goes",
  async () => {
    await world().kubectl.apply(podOn(DEVICE, "graceful", {
      terminationGracePeriodSeconds: 20,
      containers: [{
        name: "main",
        image: IMAGE,
        command: [
          "sh",
          "-c",
          "trap 'echo heard > /host/heard; exit 0' TERM; touch /host/up; while :; do sleep 0.1; done",
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
      "the whole grace was waited for",
    );
    assert.equal(
      await machine.run("cat", { args: ["/run/graceful/heard"] }),
      "heard\n",
    );
  },
);

story("kubectl drain of the device works without --force", async () => {
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
    what: "made anew",
    is: (pod) => pod.metadata.uid !== before?.metadata.uid && isReady(pod),
  });
  await world().run("uncordon", DEVICE);
  await world().run("delete", "deployment", "drained");
  await until(
    async () =>
      (await world().run("get", "pods", "-l", "app=drained", "-o", "name"))
        .trim() === "",
    { what: "the end of the pods" },
  );
});

story("deleting the EdgeDevice leaves nothing anywhere", async () => {
  await world().kubectl.apply(
    podOn(DEVICE, "orphan", {
      containers: [{ name: "main", image: IMAGE, command: ["sleep", "3600"] }],
    }),
  );
  await untilPod(world(), "orphan", { what: "Ready", is: isReady });
  await world().run("delete", "edgedevice", DEVICE, "--timeout=90s");
  await untilGone(world(), "node", DEVICE);
  await untilGone(world(), "pod", DEVICE);
  const left = await until(async () => {
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
    const requests = await world().kubectl.tryRun(["get", "csr", "-o", "name"]);
    const ours = (names.stdout + lease.stdout + requests.stdout).split("\n")
      .filter((one) => one.includes(DEVICE) || one.includes("orphan"));
    return ours.length === 0 && "nothing";
  }, {
    what: "a cluster without the device",
    timeoutMs: 90_000,
    intervalMs: 500,
  });
  assert.equal(left, "nothing");
});

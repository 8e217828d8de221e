// SPDX-License-Identifier: Apache-2.0
/** A Deployment on a device: what it gets from the cluster, and what is left of it. */
import assert from "node:assert/strict";
import { IMAGES, NAMESPACE, until } from "../_support/mod.ts";
import {
  DEVICE,
  isReady,
  kubectl,
  mustDevice,
  placement,
  story,
  untilPod,
  useWorld,
} from "./_support/story.ts";

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
      .filter((path) => /volumes|overlay2|netns\/|containers\//.test(path))
      .sort(),
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
        "until wget -qO- http://localhost:8080/page.html 2>/dev/null; do sleep 0.2; done; echo; cat /shared/greeting; cat /secret/password; echo; exec sleep 3600",
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
    const pattern =
      /^<p>from the ConfigMap<\/p>\s+good morning, edge-1: open sesame\nopen sesame\n$/;
    await until(async () => {
      const text = await world().run("logs", "deployment/web", "-c", "asker");
      return pattern.test(text);
    }, {
      what: `a log of the asker that matches ${pattern}`,
      detail: () => world().run("logs", "deployment/web", "-c", "asker"),
    });
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
      const isClean = now.containers.length === 0 && now.mounts.length === 0;
      return isClean && now;
    }, {
      what: "an engine without containers and mounts",
      detail: async () => JSON.stringify(await remains(), undefined, 2),
    });
    assert.deepEqual(left.volumes, []);
    // The device's own network stays for its next pods.
    assert.ok(left.networks.length <= 1, left.networks.join());
  },
);

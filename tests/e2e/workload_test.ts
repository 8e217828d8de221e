// SPDX-License-Identifier: Apache-2.0
/**
 * A Deployment on a device: what its containers get from the cluster, and its deletion. The
 * scenarios run in order.
 */
import assert from "node:assert/strict";
import { until } from "../../dev/base/wait.ts";
import { IMAGES, NAMESPACE } from "../../dev/world/mod.ts";
import { assertCatReturns, hashFile, randomMegabyte } from "./_support/cat.ts";
import { isReady, placement, untilNoPods, untilPod } from "./_support/pods.ts";
import {
  DEVICE,
  kubectl,
  mustDevice,
  scenario,
  useWorld,
} from "./_support/scenario.ts";
import { engineState } from "./_support/engine.ts";

const world = useWorld();
const IMAGE = IMAGES.busybox;

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

/**
 * Returns the spec of a pod with an HTTP server and its client, which use ConfigMap, Secret, fields
 * and volumes.
 */
function webPod(): Record<string, unknown> {
  return {
    containers: [{
      name: "server",
      image: IMAGE,
      command: [
        "sh",
        "-c",
        'echo "$MESSAGE" > /shared/greeting; exec httpd -f -p 8080 -h /page',
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
        { name: "MESSAGE", value: "$(GREETING), $(NODE): $(PASSWORD)" },
      ],
      volumeMounts: [{ name: "page", mountPath: "/page" }, {
        name: "shared",
        mountPath: "/shared",
      }],
    }, {
      name: "client",
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

scenario(
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
      const text = await world().run("logs", "deployment/web", "-c", "client");
      return pattern.test(text);
    }, {
      what: `a log of the client that matches ${pattern}`,
      detail: () => world().run("logs", "deployment/web", "-c", "client"),
    });
  },
);

scenario(
  "a running pod's status has addresses, container states and conditions",
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

scenario(
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

scenario(
  "kubectl exec -i carries 200 MB to cat in a container and back unchanged",
  async () => {
    await assertCatReturns(world(), {
      target: [await webPodName(), "-c", "server"],
      sizeMegabytes: 200,
    });
  },
  // As fast as the machine is: ten seconds, or minutes beside other tests.
  { timeoutMs: 600_000 },
);

scenario("kubectl cp copies a folder into a container and back", async () => {
  const pod = await webPodName();
  const local = await Deno.makeTempDir({ prefix: "aranya-cp-" });
  try {
    await Deno.mkdir(`${local}/up`);
    await Deno.mkdir(`${local}/up/deep`);
    for (const name of ["data", "deep/more"]) {
      await Deno.writeFile(`${local}/up/${name}`, randomMegabyte());
    }
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
      "client",
    );
    assert.equal(down.code, 0, down.stderr);
    for (const name of ["data", "deep/more"]) {
      assert.equal(
        await hashFile(`${local}/down/${name}`),
        await hashFile(`${local}/up/${name}`),
        name,
      );
    }
  } finally {
    await Deno.remove(local, { recursive: true });
  }
});

scenario("kubectl port-forward reaches a server in the pod", async () => {
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
    what: "a response through port-forward",
    timeoutMs: 15_000,
    intervalMs: 300,
  });
  assert.equal(text, "<p>from the ConfigMap</p>");
  void running;
});

scenario(
  "deleting the Deployment leaves no container, network, volume, mount or pod",
  async () => {
    await world().run(
      "delete",
      "deployment/web",
      "configmap/web",
      "secret/web",
      "--cascade=foreground",
      "--timeout=60s",
    );
    await untilNoPods(world(), "app=web");
    await until(async () => {
      const now = await engineState(world());
      return Object.values(now).every((found) => found.length === 0);
    }, {
      what: "an engine as before the first pod",
      detail: async () =>
        JSON.stringify(await engineState(world()), undefined, 2),
    });
  },
);

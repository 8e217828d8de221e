// SPDX-License-Identifier: Apache-2.0
/**
 * EdgeDevices and their objects: conflicting names, drift, invalid input, operators that replace
 * each other. Needs no engine.
 */
import assert from "node:assert/strict";
import { until } from "../../dev/base/wait.ts";
import {
  Apiserver,
  edgeDevice,
  installManifests,
  NAMESPACE,
  Network,
  Operator,
} from "../../dev/world/mod.ts";
import { findPod } from "./_support/pods.ts";
import {
  DEVICE,
  kubectl,
  mustDeviceWithoutEngine,
  scenario,
  untilDeleted,
  untilServed,
  useWorld,
} from "./_support/scenario.ts";

const world = useWorld({ engine: "none" });

/** Returns status and reason of a condition, e.g. "False NameConflict". */
async function condition(name: string, type: string): Promise<string> {
  return (await kubectl(
    world(),
    "get",
    "edgedevice",
    name,
    "-o",
    `jsonpath={.status.conditions[?(@.type=="${type}")].status} {.status.conditions[?(@.type=="${type}")].reason}`,
  )).stdout.trim();
}

/** Returns the reasons of the Events about an object. */
async function eventsOf(name: string): Promise<string[]> {
  const text = await world().run(
    ...["get", "events", "--field-selector", `involvedObject.name=${name}`],
    ...["-o", "jsonpath={.items[*].reason}"],
  );
  return text.split(" ").filter(Boolean);
}

scenario(
  "the API server refuses an EdgeDevice with wrong types or fields that exclude each other",
  async () => {
    const wrong: [Record<string, unknown>, RegExp][] = [
      [{ connectivity: { method: 7 } }, /method/],
      [{ connectivity: { method: "pigeon" } }, /pigeon|Unsupported value/],
      [{
        connectivity: {
          method: "grpc",
          mqttConfig: { server: "a:1", messageNamespace: "b" },
        },
      }, /mqttConfig/],
      [{ pod: { allocatable: "many" } }, /allocatable/],
      [{ node: { labels: { "arhat.dev/role": "other" } } }, /arhat\.dev/],
    ];
    for (const [spec, pattern] of wrong) {
      await assert.rejects(
        world().kubectl.apply(edgeDevice("wrong", spec)),
        pattern,
      );
    }
    await assert.rejects(
      world().kubectl.apply(edgeDevice("1-digit-first")),
      /1035|letter/,
    );
  },
);

scenario("kubectl get nodes shows the role of a device", async () => {
  const line = await world().kubectl.run(
    ["get", "node", DEVICE, "--no-headers"],
  );
  assert.match(line, /^edge-1 +\S+ +edge-device /);
});

scenario("kubectl explain describes the fields", async () => {
  const text = await world().kubectl.run([
    "explain",
    "edgedevice.spec.connectivity",
  ]);
  assert.match(text, /method/);
  assert.match(text, /DESCRIPTION:\s+\S+/);
});

scenario(
  "a device with the name of a foreign Node gets NameConflict, and the Node is unchanged",
  async () => {
    await world().kubectl.apply({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "real-node" },
    });
    await world().kubectl.apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "theirs", namespace: NAMESPACE },
      spec: {
        nodeName: "real-node",
        containers: [{ name: "main", image: "theirs" }],
      },
    });
    await world().kubectl.apply(edgeDevice("real-node"));
    await until(
      async () =>
        (await condition("real-node", "Ready")).includes("NameConflict") ||
        (await condition("real-node", "NameConflict")).startsWith("True"),
      {
        what: "condition NameConflict",
        detail: async () =>
          (await kubectl(
            world(),
            "get",
            "edgedevice",
            "real-node",
            "-o",
            "yaml",
          )).stdout,
      },
    );
    const node = await world().kubectl.find<
      { spec: { providerID?: string; taints?: { key: string }[] } }
    >(["node", "real-node"]);
    assert.equal(node?.spec.providerID, undefined);
    await world().run("delete", "edgedevice", "real-node", "--timeout=30s");
    assert.ok(await world().kubectl.find(["node", "real-node"]));
    const pod = await findPod(world(), "theirs");
    assert.ok(pod, "the pod of the foreign Node was deleted");
    assert.equal(pod.metadata.deletionTimestamp, undefined);
    assert.deepEqual(await eventsOf("theirs"), []);
    await world().run("delete", "pod", "theirs", "--force");
    await world().kubectl.run(["delete", "node", "real-node"]);
  },
);

for (
  const [kind, object] of [
    ["secret", {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "taken-agent", namespace: NAMESPACE },
      stringData: { mine: "yes" },
    }],
    ["secret", {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "taken-kubelet-tls", namespace: NAMESPACE },
      stringData: { mine: "yes" },
    }],
    ["service", {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "taken", namespace: NAMESPACE },
      spec: { ports: [{ port: 80 }], selector: { app: "mine" } },
    }],
    ["pod", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "taken", namespace: NAMESPACE },
      spec: {
        schedulerName: "none",
        containers: [{ name: "mine", image: "mine" }],
      },
    }],
  ] as const
) {
  scenario(
    `a device that needs the name of the foreign ${kind} ${object.metadata.name} gets NameConflict, and the ${kind} is unchanged`,
    async () => {
      await world().kubectl.apply(object);
      const before = await world().kubectl.find([
        "-n",
        NAMESPACE,
        kind,
        object.metadata.name,
      ]);
      await world().kubectl.apply(edgeDevice("taken"));
      await until(async () =>
        JSON.stringify(
          await world().kubectl.find(["-n", NAMESPACE, "edgedevice", "taken"]),
        ).includes("NameConflict"), {
        // The certificate of a device is requested after 15 s.
        what: "NameConflict in the status",
        timeoutMs: 60_000,
      });
      await world().run("delete", "edgedevice", "taken", "--timeout=30s");
      const after = await world().kubectl.find([
        "-n",
        NAMESPACE,
        kind,
        object.metadata.name,
      ]);
      assert.deepEqual(after?.metadata.uid, before?.metadata.uid);
      assert.deepEqual(
        after?.metadata.resourceVersion,
        before?.metadata.resourceVersion,
      );
      await world().run("delete", kind, object.metadata.name);
    },
  );
}

scenario(
  "a device of the same name in a second namespace gets NameConflict",
  async () => {
    const { apiserver } = world().controlPlane;
    await world().kubectl.run(["create", "namespace", "other"]);
    const device = edgeDevice(DEVICE) as { metadata: { namespace: string } };
    device.metadata.namespace = "other";
    await world().kubectl.apply(device);
    await using second = await Operator.start({
      apiserver,
      name: "operator-other",
      // As administrator: manifests/ grants rights in one namespace only.
      kubeconfig: apiserver.kubeconfig,
      namespace: "other",
      flags: ["--kubelet-ports", "28000-28999"],
    });
    await until(
      async () =>
        JSON.stringify(
          await world().kubectl.find(["-n", "other", "edgedevice", DEVICE]),
        ).includes("NameConflict"),
      {
        what: "NameConflict in the second namespace",
        timeoutMs: 60_000,
      },
    );
    assert.equal(
      (await kubectl(world(), "exec", DEVICE, "--", "echo", "fine")).stdout,
      "fine\n",
    );
    await world().kubectl.run([
      "-n",
      "other",
      "delete",
      "edgedevice",
      DEVICE,
      "--timeout=30s",
    ]);
    assert.ok(await world().kubectl.find(["node", DEVICE]));
    // An operator whose rights are not of the namespace ends its devices with it.
    const last = edgeDevice("other-1") as { metadata: { namespace: string } };
    last.metadata.namespace = "other";
    await world().kubectl.apply(last);
    const findLast = () => world().kubectl.find(["node", "other-1"]);
    await until(findLast, { what: "the Node", timeoutMs: 60_000 });
    await world().kubectl.run([
      "delete",
      "namespace",
      "other",
      "--timeout=60s",
    ], { timeoutMs: 90_000 });
    assert.equal(await findLast(), undefined);
    await second.stop();
  },
  { restarts: true },
);

scenario("an object that is deleted by hand is created again", async () => {
  const uid = async (kind: string, name: string, namespace = NAMESPACE) =>
    (await world().kubectl.find(["-n", namespace, kind, name]))?.metadata.uid;
  for (
    const [kind, name, namespace] of [["service", DEVICE], ["pod", DEVICE], [
      "lease",
      DEVICE,
      "kube-node-lease",
    ], ["node", DEVICE]] as const
  ) {
    const before = await uid(kind, name, namespace);
    await world().kubectl.run([
      "-n",
      namespace ?? NAMESPACE,
      "delete",
      kind,
      name,
      "--timeout=60s",
    ]);
    await until(async () => {
      const now = await uid(kind, name, namespace);
      return now !== undefined && now !== before;
    }, { what: `a new ${kind} ${name}`, timeoutMs: 60_000 });
  }
  await world().untilNodeReady(DEVICE);
});

scenario(
  "a connectivity method that is not implemented is accepted and reported as NotSupported",
  async () => {
    await world().kubectl.apply(
      edgeDevice("by-broker", {
        connectivity: {
          method: "mqtt",
          mqttConfig: { server: "broker:1883", messageNamespace: "a/b" },
        },
      }),
    );
    await until(
      async () => /NotSupported/.test(await condition("by-broker", "Ready")),
      { what: "reason NotSupported" },
    );
    await world().run("delete", "edgedevice", "by-broker", "--timeout=30s");
    await untilDeleted(world(), "node", "by-broker");
  },
);

scenario(
  "a second operator waits, and serves within 20 s after the first one is killed",
  async () => {
    const { apiserver } = world().controlPlane;
    await using second = await Operator.start({
      apiserver,
      name: "operator-second",
      grpcPort: world().operator.grpcPort,
      waits: false,
    });
    await until(async () => (await second.get("/healthz")) !== "", {
      what: "a second operator that answers",
    });
    await world().operator.crash();
    const startMs = performance.now();
    await untilServed(world());
    assert.ok(
      performance.now() - startMs < 20_000,
      `it took ${performance.now() - startMs} ms`,
    );
    await second.stop();
    await world().operator.restart();
    await world().untilNodeReady(DEVICE);
  },
  { restarts: true },
);

scenario(
  "an operator without rights logs the missing verb and resource",
  async () => {
    const { apiserver } = world().controlPlane;
    const kubeconfig = await apiserver.makeUser({ name: "no-rights" });
    await using operator = await Operator.start({
      apiserver,
      name: "operator-no-rights",
      kubeconfig,
      waits: false,
    });
    await until(
      async () =>
        /User \\*"no-rights\\*" cannot (get|create|list|watch) resource \\*"\w+\\*"/
          .test(await Deno.readTextFile(operator.log)),
      {
        what: "the missing right in the log",
        detail: () => Deno.readTextFile(operator.log),
      },
    );
    await operator.stop();
  },
  { restarts: true },
);

scenario(
  "an operator with an unreadable kubeconfig prints one line and exits with 2",
  async () => {
    const { apiserver } = world().controlPlane;
    await using operator = await Operator.start({
      apiserver,
      name: "operator-unreadable",
      kubeconfig: "/nowhere/kubeconfig",
      waits: false,
    });
    assert.equal(await operator.program?.exited, 2);
    const text = (await Deno.readTextFile(operator.log)).split("\n").filter((
      line,
    ) => line.startsWith("Cannot"));
    assert.equal(text.length, 1);
    assert.match(text[0] ?? "", /\/nowhere\/kubeconfig/);
  },
  { restarts: true },
);

scenario(
  "an operator that starts before its API server waits for it",
  async () => {
    await using network = await Network.start();
    await using apiserver = await Apiserver.start({ network });
    await installManifests(apiserver);
    await using operator = await Operator.start({
      apiserver,
      name: "operator-early",
      waits: false,
    });
    await operator.stop();
    await apiserver.crash();
    await operator.restart({ waits: false });
    await until(
      async () =>
        (await Deno.readTextFile(operator.log)).includes("ECONNREFUSED") ||
        (await operator.get("/healthz")) !== "",
      {
        what: "an operator without an API server",
      },
    );
    await apiserver.restart();
    await apiserver.kubectl.apply(edgeDevice("early"));
    await until(async () => await apiserver.kubectl.find(["node", "early"]), {
      what: "the Node",
      timeoutMs: 90_000,
      detail: () => Deno.readTextFile(operator.log),
    });
    await operator.stop();
  },
  { restarts: true },
);

scenario(
  "the agent prints every invalid, unknown and missing key with its line",
  async () => {
    const { agent } = mustDeviceWithoutEngine(world());
    const before = await Deno.readTextFile(agent.configFile);
    await agent.configure(
      "device: edge-1\nendpoint: 1\ncredential: '??'\nhost:\n  exec: maybe\n",
    );
    await agent.restart();
    assert.notEqual(await agent.program?.exited, 0);
    const text = await Deno.readTextFile(agent.log);
    for (
      const pattern of [
        /endpoint\b/,
        /credential/,
        /exec/,
        /endpoints/,
        /line 2|:2/,
      ]
    ) assert.match(text, pattern);
    await agent.configure(before);
    await agent.restart();
    await world().untilNodeReady(DEVICE);
  },
  { restarts: true },
);

scenario("the operator exits within 5 s after SIGTERM", async () => {
  const startMs = performance.now();
  assert.equal(await world().operator.stop(), 0);
  assert.ok(performance.now() - startMs < 5_000);
  await world().operator.restart();
  await world().untilNodeReady(DEVICE);
}, { restarts: true });

// SPDX-License-Identifier: Apache-2.0
/**
 * The device itself: its engine, its state, its credential, its power. The scenarios share the pod
 * "later" and run in order.
 */
import assert from "node:assert/strict";
import { until } from "../../dev/base/wait.ts";
import {
  Agent,
  Dockerd,
  edgeDevice,
  IMAGES,
  NAMESPACE,
} from "../../dev/world/mod.ts";
import { containerId, isReady, podOn, untilPod } from "./_support/pods.ts";
import {
  DEVICE,
  kubectl,
  mustDevice,
  scenario,
  untilDeleted,
  untilServed,
  useWorld,
} from "./_support/scenario.ts";

const world = useWorld();
const sleeper = {
  containers: [{
    name: "main",
    image: IMAGES.busybox,
    command: ["sleep", "86400"],
  }],
};

scenario("an agent with a wrong CA logs it and keeps trying", async () => {
  const { agent } = mustDevice(world());
  const before = await Deno.readTextFile(agent.configFile);
  const { keys } = world().controlPlane.apiserver;
  const wrong = (await Deno.readTextFile(keys.clients.cert)).trim().split("\n")
    .map((line) => `  ${line}`).join("\n");
  await agent.configure(
    before.replace(
      / {2}-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/,
      wrong,
    ),
  );
  await agent.restart();
  await until(
    async () =>
      /certificate|\bCA\b/i.test(
        (await Deno.readTextFile(agent.log)).split("agent is ready").at(-1) ??
          "",
      ),
    {
      what: "a log line about the certificate",
      detail: () => agent.logTail(),
    },
  );
  assert.equal(agent.program?.running, true);
  await agent.configure(before);
  await agent.restart();
  await untilServed(world());
}, { restarts: true });

scenario(
  "an agent that can't write its state directory logs one line and exits with 2",
  async () => {
    const { machine } = mustDevice(world());
    const config = await world().agentConfig(DEVICE);
    await using agent = await Agent.start({
      machine,
      config: `${
        config.replace(/^stateDir:.*$/m, "").trimEnd()
      }\nstateDir: /proc/nowhere\n`,
      logs: world().controlPlane.apiserver.logs,
      name: "agent-no-state",
    });
    assert.equal(await agent.program?.exited, 2);
    assert.match(
      await Deno.readTextFile(agent.log),
      /^Cannot .*\/proc\/nowhere/m,
    );
  },
  { restarts: true },
);

scenario(
  "the annotation rotate-credential sends a connected device a new credential, which it uses after a restart",
  async () => {
    const { agent } = mustDevice(world());
    const before = await world().agentConfig(DEVICE);
    await world().run(
      "annotate",
      "edgedevice",
      DEVICE,
      "aranya.arhat.dev/rotate-credential=now",
    );
    await until(async () => (await world().agentConfig(DEVICE)) !== before, {
      what: "a new credential in the Secret",
    });
    await untilServed(world());
    await until(
      async () => (await Deno.readTextFile(agent.configFile)) !== before,
      {
        what: "a new credential on the device",
        detail: () => agent.logTail(),
      },
    );
    await agent.restart();
    await untilServed(world());
  },
  { restarts: true },
);

scenario(
  "a device without an engine serves its host, and runs its pods when the engine is back",
  async () => {
    const { dockerd, agent } = mustDevice(world());
    await dockerd.stop();
    await until(async () => /engine/.test(await Deno.readTextFile(agent.log)), {
      what: "a log line about the engine",
      timeoutMs: 60_000,
    });
    await untilServed(world());
    await world().kubectl.apply(podOn(DEVICE, "later", sleeper));
    await dockerd.restart();
    await untilPod(world(), "later", {
      what: "Ready",
      is: isReady,
      timeoutMs: 120_000,
    });
  },
  { restarts: true },
);

scenario(
  "after a power failure the device runs its pods again and counts a restart of their containers",
  async () => {
    const before = mustDevice(world());
    await untilPod(world(), "later", { what: "Ready", is: isReady });
    const config = await Deno.readTextFile(before.agent.configFile);
    const logs = world().controlPlane.apiserver.logs;
    // Nothing on the device gets a signal.
    await world().network.removeDevice(DEVICE);
    await before.agent.program?.exited;
    const machine = await world().network.addDevice(DEVICE);
    await using dockerd = await Dockerd.start({ machine, logs });
    await using agent = await Agent.start({ machine, config, logs });
    const pod = await untilPod(world(), "later", {
      what: "running again",
      is: (one) =>
        isReady(one) &&
        (one.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1,
      timeoutMs: 120_000,
    });
    assert.equal(
      await dockerd.run([
        "inspect",
        "-f",
        "{{.State.Running}}",
        containerId(pod),
      ]),
      "true",
    );
    await untilServed(world());
    await world().run("delete", "pod", "later", "--timeout=60s");
    await agent.stop();
    world().devices.set(DEVICE, { ...before, machine });
  },
  { restarts: true },
);

scenario(
  "a pod of a namespace that the operator does not serve stays Pending with an Event",
  async () => {
    const pod = podOn(DEVICE, "foreign", sleeper) as {
      metadata: { namespace: string };
      spec: Record<string, unknown>;
    };
    pod.metadata.namespace = "default";
    pod.spec.nodeName = DEVICE;
    await world().kubectl.apply(pod);
    await until(async () => {
      const events = await world().kubectl.run([
        "-n",
        "default",
        "get",
        "events",
        "--field-selector=involvedObject.name=foreign",
      ]);
      return /namespace/i.test(events) && events;
    }, {
      what: "an Event about the namespace",
      detail: () => world().kubectl.run(["get", "events", "-A"]),
    });
    assert.equal(
      (await world().kubectl.run([
        "-n",
        "default",
        "get",
        "pod",
        "foreign",
        "-o",
        "jsonpath={.status.phase}",
      ])).trim(),
      "Pending",
    );
    await world().kubectl.run([
      "-n",
      "default",
      "delete",
      "pod",
      "foreign",
      "--grace-period=0",
      "--force",
    ]);
  },
);

scenario(
  "an EdgeDevice that is deleted while its device is offline leaves nothing in the cluster",
  async () => {
    await world().kubectl.apply(edgeDevice("never"));
    await until(() => world().kubectl.find(["node", "never"]), {
      what: "the Node",
    });
    await world().run("delete", "edgedevice", "never", "--timeout=60s");
    await untilDeleted(world(), "node", "never");
    const left = await kubectl(
      world(),
      "get",
      "pods,services,secrets,endpointslices",
      "-n",
      NAMESPACE,
      "-o",
      "name",
    );
    assert.equal(left.stdout.includes("never"), false, left.stdout);
  },
);

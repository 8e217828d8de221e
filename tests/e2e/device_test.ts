// SPDX-License-Identifier: Apache-2.0
/** The device's own side: its engine, its state, its credential, its power. */
import assert from "node:assert/strict";
import {
  Agent,
  Dockerd,
  edgeDevice,
  IMAGES,
  NAMESPACE,
  until,
} from "../_support/mod.ts";
import {
  DEVICE,
  isReady,
  kubectl,
  mustDevice,
  podOn,
  story,
  untilGone,
  untilPod,
  useWorld,
} from "./_support/story.ts";

const world = useWorld();
const sleeper = {
  containers: [{
    name: "main",
    image: IMAGES.busybox,
    command: ["sleep", "86400"],
  }],
};

async function untilServed(name = DEVICE): Promise<void> {
  await until(
    async () => (await kubectl(world(), "exec", name, "--", "true")).code === 0,
    {
      what: `a device ${name} that is served`,
      timeoutMs: 60_000,
      intervalMs: 300,
    },
  );
}

story("an agent with a wrong CA says so and keeps trying", async () => {
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
      what: "a word on the certificate",
      detail: () => agent.logTail(),
    },
  );
  assert.equal(agent.program?.running, true);
  await agent.configure(before);
  await agent.restart();
  await untilServed();
}, { restarts: true });

story(
  "an agent whose state directory can't be written says so in one line",
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

story(
  "the annotation rotate-credential gives a connected device a new one, which it uses after a restart",
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
    await untilServed();
    await until(
      async () => (await Deno.readTextFile(agent.configFile)) !== before,
      {
        what: "a new credential on the device",
        detail: () => agent.logTail(),
      },
    );
    await agent.restart();
    await untilServed();
  },
  { restarts: true },
);

story(
  "a device without an engine is served as a host, and gets its pods when the engine is back",
  async () => {
    const { dockerd, agent } = mustDevice(world());
    await dockerd.stop();
    await until(async () => /engine/.test(await Deno.readTextFile(agent.log)), {
      what: "a word on the engine",
      timeoutMs: 60_000,
    });
    await untilServed();
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

story(
  "after a power cut the device runs its pods again, as a restart of their containers",
  async () => {
    const before = mustDevice(world());
    await untilPod(world(), "later", { what: "Ready", is: isReady });
    const config = await Deno.readTextFile(before.agent.configFile);
    const logs = world().controlPlane.apiserver.logs;
    // The power fails: nothing on the device hears of it.
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
    const id = pod.status?.containerStatuses?.[0]?.containerID?.replace(
      "docker://",
      "",
    ) ?? "";
    assert.equal(
      await dockerd.run(["inspect", "-f", "{{.State.Running}}", id]),
      "true",
    );
    await untilServed();
    await world().run("delete", "pod", "later", "--timeout=60s");
    await agent.stop();
    world().devices.set(DEVICE, { ...before, machine });
  },
  { restarts: true },
);

story(
  "a pod of a namespace that isn't served stays Pending with an Event that says why",
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
      what: "an Event that says why",
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

story(
  "an EdgeDevice deleted while its device is away leaves nothing in the cluster",
  async () => {
    await world().kubectl.apply(edgeDevice("never"));
    await until(() => world().kubectl.find(["node", "never"]), {
      what: "the Node",
    });
    await world().run("delete", "edgedevice", "never", "--timeout=60s");
    await untilGone(world(), "node", "never");
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

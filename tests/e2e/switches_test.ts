// SPDX-License-Identifier: Apache-2.0
/**
 * What the device's owner forbids: a tenant of the cluster tries to reach the host of a device with
 * pods. The scenarios run in order.
 */
import assert from "node:assert/strict";
import { until } from "../../dev/base/wait.ts";
import { IMAGES, type Launched } from "../../dev/world/mod.ts";
import {
  BASELINE_POD,
  HOST_PODS,
  UNSUPPORTED_HOST_PODS,
} from "../_support/host_pods.ts";
import { firstContainer, isReady, podOn, untilPod } from "./_support/pods.ts";
import { requestThrough } from "./_support/port_forward.ts";
import {
  DEVICE,
  kubectl,
  mustDevice,
  scenario,
  untilDeleted,
  untilEvent,
  untilServed,
  useWorld,
} from "./_support/scenario.ts";

const world = useWorld();
/** Port of a server on the loopback address of the device, and its answer. */
const HOST_PORT = 8123;
const HOST_ANSWER = "from the loopback";
const LOCAL_PORT = 18123;
const SLEEP = ["sh", "-c", "trap exit TERM; sleep 3600 & wait"];

/** Returns a pod of the table, on the device, with an image that is there. */
function toPod(
  { name, spec }: { name: string; spec: (typeof HOST_PODS)[number]["spec"] },
): object {
  const withImage = (container: { image?: string }) => ({
    ...container,
    image: IMAGES.busybox,
    command: SLEEP,
  });
  return podOn(DEVICE, name, {
    ...spec,
    // Without the scheduler, which counts pods.
    nodeName: DEVICE,
    terminationGracePeriodSeconds: 2,
    containers: spec.containers.map(withImage),
    ...spec.initContainers
      ? { initContainers: spec.initContainers.map(withImage) }
      : {},
  });
}

/** Starts a server on the loopback address of the device. */
function startHostServer(): Promise<Launched> {
  const { machine } = mustDevice(world());
  return machine.launch(Deno.execPath(), {
    name: "listener",
    args: [
      "eval",
      `Deno.serve({ hostname: "127.0.0.1", port: ${HOST_PORT} }, () => new Response("${HOST_ANSWER}"))`,
    ],
    log: `${machine.folder}/listener.log`,
  });
}

/** Sends a request to the server through kubectl port-forward of a pod. */
function requestHost(pod: string) {
  const ports = { port: HOST_PORT, localPort: LOCAL_PORT };
  return requestThrough(world(), pod, ports);
}

/** Restarts the agent with the switches of these sections of agent.yaml all on or off. */
async function turn(value: boolean, ...sections: string[]): Promise<void> {
  const { agent } = mustDevice(world());
  const lines = (await Deno.readTextFile(agent.configFile)).split("\n");
  let section = "";
  await agent.configure(
    lines.map((line) => {
      section = /^(\w+):/.exec(line)?.[1] ?? section;
      return sections.includes(section)
        ? line.replace(/^( {2}\w+): (true|false)\b/, `$1: ${value}`)
        : line;
    }).join("\n"),
  );
  await agent.restart();
}

/** Waits until the EdgeDevice shows what its owner allows pods. */
async function untilReported(value: boolean): Promise<void> {
  const expected = `${value} ${value} ${value}`;
  await until(
    async () =>
      (await world().run(
        ...["get", "edgedevice", DEVICE, "-o"],
        "jsonpath={.status.reported.pods.privileged} {.status.reported.pods.hostPath} {.status.reported.pods.hostNamespaces}",
      )).trim() === expected,
    { what: `reported switches ${expected}`, intervalMs: 300 },
  );
}

/** Returns the names of pods that have containers on the device's engine. */
async function podsOnEngine(): Promise<string[]> {
  const { dockerd } = mustDevice(world());
  const text = await dockerd.run([
    ...["ps", "-a", "--format"],
    '{{.Label "aranya.arhat.dev/pod-name"}}',
  ]);
  return [...new Set(text.split("\n").filter(Boolean))].sort();
}

scenario(
  "with all switches on, a pod in the host's namespaces with its root directory has the host",
  async () => {
    await using _server = await startHostServer();
    await untilReported(true);
    const found = HOST_PODS.find(({ name }) => name === "node-shell");
    assert.ok(found);
    // Where the tests run, containers may be forbidden all capabilities, and the root directory may
    // be no shared mount.
    const shell = structuredClone(found);
    for (const container of shell.spec.containers) {
      delete container.securityContext;
      for (const mount of container.volumeMounts ?? []) {
        delete mount.mountPropagation;
      }
    }
    await world().kubectl.apply(toPod(shell));
    await untilPod(world(), shell.name, { what: "Ready", is: isReady });
    const read = await kubectl(
      world(),
      ...["exec", shell.name, "--", "sh", "-c"],
      `until wget -qO- http://127.0.0.1:${HOST_PORT}/; do sleep 0.2; done; ls /host/etc/passwd`,
    );
    assert.equal(read.code, 0, read.stderr);
    assert.equal(read.stdout, `${HOST_ANSWER}/host/etc/passwd\n`);
    const { body, errors } = await requestHost(shell.name);
    assert.equal(body, HOST_ANSWER, errors);
  },
  { restarts: true },
);

scenario(
  "an agent that starts with the switches off ends the pod that has the host",
  async () => {
    await turn(false, "pods");
    await untilReported(false);
    const ended = await untilPod(world(), "node-shell", {
      what: "Failed",
      is: ({ status }) =>
        status?.phase === "Failed" &&
        status.containerStatuses?.[0]?.state.terminated !== undefined,
    });
    assert.equal(ended.status?.reason, "ForbiddenByDevice");
    const { dockerd } = mustDevice(world());
    const running = await dockerd.run([
      ...["ps", "--format", '{{.Label "aranya.arhat.dev/pod-name"}}'],
    ]);
    assert.doesNotMatch(running, /node-shell/);
    assert.match(
      await untilEvent(world(), "node-shell", /ForbiddenByDevice/),
      /hostPID, hostPath volume "host", .*pods\.hostNamespaces, pods\.hostPath: false in agent\.yaml/,
    );
    await world().run("delete", "pod", "node-shell");
    await untilDeleted(world(), "pod", "node-shell");
  },
  { restarts: true },
);

scenario(
  "with the switches off, no pod of a tenant reaches the host, and each status names the reason",
  async () => {
    const pods = [...HOST_PODS, ...UNSUPPORTED_HOST_PODS];
    await world().kubectl.apply(pods.map(toPod));
    for (const { name, needs } of HOST_PODS) {
      const pod = await untilPod(world(), name, {
        what: "refused",
        is: (one) => firstContainer(one)?.state.waiting?.message !== undefined,
      });
      const waiting = firstContainer(pod)?.state.waiting;
      const { message = "" } = waiting ?? {};
      assert.equal(waiting?.reason, "ForbiddenByDevice", name);
      for (const { what, key } of needs) {
        assert.ok(message.includes(what), message);
        assert.ok(message.includes(`pods.${key}`), message);
      }
      assert.equal(pod.status?.phase, "Pending", name);
      await untilEvent(world(), name, /^ForbiddenByDevice Cannot run pod /);
    }
    for (const { name, field } of UNSUPPORTED_HOST_PODS) {
      const event = await untilEvent(world(), name, /^UnsupportedField /);
      assert.ok(event.includes(field), event);
    }
    assert.deepEqual(await podsOnEngine(), []);
    const { machine } = mustDevice(world());
    const found = await machine.tryRun("ls", { args: ["/etc/aranya/new"] });
    assert.notEqual(found.code, 0);
  },
);

scenario(
  "with the switches off, a pod of the baseline policy runs, without the host's loopback and processes",
  async () => {
    await using _server = await startHostServer();
    await world().kubectl.apply(toPod({ name: "plain", spec: BASELINE_POD }));
    await untilPod(world(), "plain", { what: "Ready", is: isReady });
    assert.deepEqual(await podsOnEngine(), ["plain"]);
    const result = await kubectl(
      world(),
      ...["exec", "plain", "--", "sh", "-c"],
      `wget -qO- http://127.0.0.1:${HOST_PORT}/; echo "code $?"; mount -t tmpfs none /mnt; echo "code $?"; pidof dockerd; echo "code $?"`,
    );
    assert.deepEqual(
      result.stdout.split("\n").filter((line) => line !== ""),
      ["code 1", "code 1", "code 1"],
      result.stderr,
    );
  },
);

scenario(
  "with host.portForward off, no port of the host is forwarded, whichever pod it is asked of",
  async () => {
    const name = "host-network";
    const refused = [...HOST_PODS, ...UNSUPPORTED_HOST_PODS].map((pod) =>
      pod.name
    ).filter((other) => other !== name);
    await world().run("delete", "pod", ...refused);
    await using _server = await startHostServer();
    await turn(true, "pods");
    await untilReported(true);
    await untilPod(world(), name, { what: "Ready", is: isReady });
    const { body, errors } = await requestHost(name);
    assert.equal(body, HOST_ANSWER, errors);
    await turn(false, "host");
    await until(
      async () =>
        /host\.exec/.test(
          (await kubectl(world(), "exec", DEVICE, "--", "true")).stderr,
        ),
      { what: "a refusal that names host.exec", intervalMs: 300 },
    );
    for (const pod of [name, DEVICE]) {
      const response = await requestHost(pod);
      assert.equal(response.body, "", pod);
      assert.match(
        response.errors,
        /host\.portForward: false in agent\.yaml/,
        pod,
      );
    }
    const logs = await kubectl(world(), "logs", DEVICE);
    assert.match(logs.stderr, /host\.logs: false in agent\.yaml/);
    await turn(true, "host");
    await untilServed(world());
    assert.equal((await requestHost(DEVICE)).body, HOST_ANSWER);
  },
  { restarts: true },
);

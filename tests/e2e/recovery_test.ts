// SPDX-License-Identifier: Apache-2.0
/**
 * A running pod and a running exec when operator, agent or API server is killed, or the device
 * loses power.
 */
import assert from "node:assert/strict";
import { dirname } from "../../dev/base/paths.ts";
import { until } from "../../dev/base/wait.ts";
import { Agent, IMAGES, NAMESPACE } from "../../dev/world/mod.ts";
import {
  containerId,
  findPod,
  firstContainer,
  isReady,
  podOn,
  untilPod,
} from "./_support/pods.ts";
import {
  DEVICE,
  kubectl,
  mustDevice,
  scenario,
  untilCondition,
  useWorld,
} from "./_support/scenario.ts";
import { type CounterReader, execCounter } from "./_support/counter.ts";

const world = useWorld();
const POD = "survivor";

/** Starts the pod unless it runs, and returns the engine's start time of its container. */
async function startedAt(): Promise<string> {
  if (!await findPod(world(), POD)) {
    await world().kubectl.apply(podOn(DEVICE, POD, {
      containers: [{
        name: "main",
        image: IMAGES.busybox,
        command: ["sleep", "86400"],
      }],
    }));
  }
  const pod = await untilPod(world(), POD, {
    what: "Ready",
    is: isReady,
    timeoutMs: 120_000,
  });
  assert.equal(firstContainer(pod)?.restartCount, 0);
  return await mustDevice(world()).dockerd.run([
    "inspect",
    "-f",
    "{{.State.StartedAt}} {{.State.Running}}",
    containerId(pod),
  ]);
}

/** Starts a counter with kubectl exec and waits for its first numbers. */
async function countIn(pod: string): Promise<CounterReader> {
  const counter = execCounter(world(), pod);
  await counter.untilMore(5);
  return counter;
}

/** Waits until kubectl exec works on the host and in the pod. */
async function untilExecWorks(): Promise<void> {
  await until(async () => {
    const results = await Promise.all(
      [DEVICE, POD].map((pod) =>
        kubectl(world(), "exec", pod, "--", "echo", "works")
      ),
    );
    return results.every((one) => one.stdout === "works\n");
  }, { what: "exec on host and pod", timeoutMs: 90_000, intervalMs: 500 });
}

scenario(
  "a container survives when the operator is killed; a running exec ends without lost output, with exit code 0 or a message",
  async () => {
    const before = await startedAt();
    await using counter = await countIn(POD);
    await world().operator.crash();
    await world().operator.restart();
    // The API server takes the closed connection for the end of the command.
    const { success } = await counter.untilEnded();
    if (!success) await counter.untilFailed();
    counter.assertFromStart();
    await world().untilNodeReady(DEVICE, 90_000);
    await untilExecWorks();
    assert.equal(await startedAt(), before);
  },
  { restarts: true },
);

/** The device's objects. A Lease is left out: it is renewed all the time. */
const OBJECTS = [
  ["node", DEVICE],
  ["edgedevice", DEVICE],
  ["pod", DEVICE],
  ["service", DEVICE],
  ["endpointslice", DEVICE],
  ["secret", `${DEVICE}-agent`],
  ["secret", `${DEVICE}-kubelet-tls`],
] as const;

scenario(
  "an operator that restarts keeps the kubelet port and writes nothing that is right already",
  async () => {
    const readVersions = () =>
      Promise.all(OBJECTS.map(async ([kind, name]) => {
        const found = await world().kubectl.find(["-n", NAMESPACE, kind, name]);
        assert.ok(found, `${kind} ${name} is missing`);
        const { uid, resourceVersion } = found.metadata;
        return `${kind}/${name} ${uid} ${resourceVersion}`;
      }));
    // The device's own certificate is the last object.
    await until(
      () =>
        world().kubectl.find([
          ...["-n", NAMESPACE, "secret", `${DEVICE}-kubelet-tls`],
        ]),
      { what: "the device's certificate", timeoutMs: 60_000 },
    );
    const before = await readVersions();
    assert.equal(await world().operator.stop(), 0);
    await world().operator.restart();
    await world().untilNodeReady(DEVICE, 90_000);
    await untilExecWorks();
    assert.deepEqual(await readVersions(), before);
  },
  { restarts: true },
);

/** Returns how many tokens of service accounts the API server has issued since its start. */
async function countTokens(): Promise<number> {
  const metrics = await world().kubectl.run(["get", "--raw", "/metrics"]);
  return metrics.split("\n").filter((line) =>
    line.startsWith("apiserver_request_total{") &&
    line.includes('resource="serviceaccounts"') &&
    line.includes('subresource="token"')
  ).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

scenario(
  "an operator that restarts requests no token that the device holds already",
  async () => {
    await startedAt();
    const path = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    const readToken = () => kubectl(world(), "exec", POD, "--", "cat", path);
    const token = await readToken();
    assert.match(token.stdout, /^ey/);
    const count = await countTokens();
    assert.ok(count > 0);
    assert.equal(await world().operator.stop(), 0);
    await world().operator.restart();
    await world().untilNodeReady(DEVICE, 90_000);
    await untilExecWorks();
    assert.equal((await readToken()).stdout, token.stdout);
    assert.equal(await countTokens(), count);
  },
  { restarts: true },
);

scenario(
  "a container survives when the agent is killed; a running exec continues or fails with a message",
  async () => {
    const before = await startedAt();
    await using counter = await countIn(POD);
    await using onHost = await countIn(DEVICE);
    const { agent } = mustDevice(world());
    await agent.crash();
    await agent.restart();
    await counter.assertContinuesOrFails();
    await onHost.assertContinuesOrFails();
    await world().untilNodeReady(DEVICE, 90_000);
    await untilExecWorks();
    assert.equal(await startedAt(), before);
  },
  { restarts: true },
);

scenario(
  "a second agent of the device waits, and takes over within 5 s when the first one is killed",
  async () => {
    const { agent, machine } = mustDevice(world());
    await using second = await Agent.start({
      machine,
      // The records in the state directory are sealed with the first agent's key.
      config: `${(await Deno.readTextFile(agent.configFile)).trimEnd()}
stateKeyFile: ${dirname(agent.configFile)}/${DEVICE}.key
`,
      logs: world().controlPlane.apiserver.logs,
      name: "agent-second",
    });
    const untilLogged = (text: string, timeoutMs: number) =>
      until(
        async () => (await Deno.readTextFile(second.log)).includes(text),
        {
          what: `"${text}" of the second agent`,
          timeoutMs,
          detail: () => second.logTail(),
        },
      );
    await untilLogged("another agent of this device is running", 30_000);
    await agent.crash();
    await untilLogged("link is up", 5_000);
    await untilExecWorks();
    await second.stop();
    await agent.restart();
    await untilExecWorks();
  },
  { restarts: true },
);

scenario(
  "a container survives when the API server is down for 30 s, and everything works again afterwards",
  async () => {
    const before = await startedAt();
    const { apiserver } = world().controlPlane;
    await using counter = await countIn(POD);
    const downMs = performance.now();
    await apiserver.crash();
    await until(() => performance.now() - downMs > 30_000, {
      what: "30 s without an API server",
      timeoutMs: 40_000,
    });
    assert.equal(world().operator.program?.running, true);
    await apiserver.restart();
    await counter.assertContinuesOrFails();
    await world().untilNodeReady(DEVICE, 120_000);
    await untilExecWorks();
    assert.equal(await startedAt(), before);
    assert.equal(world().operator.program?.running, true);
  },
  { restarts: true },
);

scenario(
  "a device without an agent is offline, and serves again when the agent is back",
  async () => {
    await startedAt();
    const { agent } = mustDevice(world());
    await agent.crash();
    await untilCondition(world(), {
      kind: "edgedevice",
      name: DEVICE,
      type: "Connected",
      status: "False",
    });
    const refused = await kubectl(world(), "exec", DEVICE, "--", "true");
    assert.match(refused.stderr, /offline/);
    await agent.restart();
    await world().untilNodeReady(DEVICE, 90_000);
    await untilExecWorks();
  },
  { restarts: true },
);

// SPDX-License-Identifier: Apache-2.0
/**
 * Two operators on hosts of their own, when the leader is stopped, killed or cut off, its host
 * vanishes, or both are replaced. Nothing is done on the devices. Each scenario leaves the other
 * operator as the leader, so that they also show the way back.
 */
import assert from "node:assert/strict";
import { parseAgentConfig } from "../../lib/shared/config/mod.ts";
import { print } from "../../dev/base/terminal.ts";
import { until } from "../../dev/base/wait.ts";
import { NAMESPACE, type Operator } from "../../dev/world/mod.ts";
import {
  COUNTER_SCRIPT,
  type CounterReader,
  readCounter,
} from "./_support/counter.ts";
import { readCpuStallMs } from "./_support/cpu_stall.ts";
import { NodeWatch } from "./_support/node_watch.ts";
import {
  container,
  containerId,
  findPod,
  firstContainer,
  isReady,
  podOn,
  untilPod,
} from "./_support/pods.ts";
import {
  DEVICE,
  mustDevice,
  scenario,
  untilCondition,
  useWorld,
} from "./_support/scenario.ts";

const HOSTS = ["host-a", "host-b"];
const DEVICES = [DEVICE, "edge-2"];
/** `offlineAfter` of the world's devices. */
const OFFLINE_AFTER_MS = 10_000;
const POD = "survivor";
/** From the links until kubectl works; much of it is the start of kubectl on a busy machine. */
const KUBECTL_MS = 30_000;
/** A kubectl that was sent to a host that vanished is killed after this long. */
const ATTEMPT_MS = 8_000;

const world = useWorld({ operatorHosts: HOSTS, devices: DEVICES });

/** An operator of the world with the name of its host. */
interface HostedOperator {
  host: string;
  operator: Operator;
}

/** The leader and the operator that stands by. */
interface Pair {
  leader: HostedOperator;
  standby: HostedOperator;
}

/** Returns the value of a gauge on an operator's page; undefined when it does not answer. */
async function readGauge(
  operator: Operator,
  name: string,
): Promise<number | undefined> {
  const line = (await operator.get("/metrics")).split("\n").find((text) =>
    text.startsWith(`${name} `)
  );
  return line === undefined ? undefined : Number(line.split(" ")[1]);
}

/** Returns whether all devices are connected to this operator. */
async function servesAll(operator: Operator): Promise<boolean> {
  return await readGauge(operator, "aranya_devices_connected") ===
    DEVICES.length;
}

/** Waits for a leader to which all devices are connected. */
async function untilLeader(timeoutMs = 60_000): Promise<Pair> {
  const [a, b] = world().operators.map((operator, index) => ({
    host: HOSTS[index] ?? "",
    operator,
  }));
  assert.ok(a && b);
  return await until(async () => {
    if (await servesAll(a.operator)) return { leader: a, standby: b };
    if (await servesAll(b.operator)) return { leader: b, standby: a };
    return undefined;
  }, { what: "a leader with all devices", timeoutMs });
}

/** Waits until each agent.yaml lists both hosts, in the Secret and on the device. */
async function untilListed(): Promise<void> {
  const addresses = world().operators.map(({ machine }) => machine.address);
  const isComplete = (text: string) => {
    const { endpoints } = parseAgentConfig(text, { file: "agent.yaml" });
    return addresses.every((address) =>
      endpoints.some((endpoint) => endpoint.startsWith(`${address}:`))
    );
  };
  await until(async () => {
    for (const name of DEVICES) {
      const { agent } = mustDevice(world(), name);
      if (!isComplete(await Deno.readTextFile(agent.configFile))) return false;
      if (!isComplete(await world().agentConfig(name))) return false;
    }
    return true;
  }, { what: "both hosts in each agent.yaml", timeoutMs: 60_000 });
}

/** Starts the pod unless it runs, and returns the identity of its container and its start time. */
async function containerState(): Promise<string> {
  if (!await findPod(world(), POD)) {
    await world().kubectl.apply(podOn(DEVICE, POD, {
      containers: [container(COUNTER_SCRIPT)],
    }));
  }
  const pod = await untilPod(world(), POD, {
    what: "Ready",
    is: isReady,
    timeoutMs: 120_000,
  });
  assert.equal(firstContainer(pod)?.restartCount, 0);
  return await mustDevice(world()).dockerd.run([
    ...["inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.State.Running}}"],
    containerId(pod),
  ]);
}

/** Returns whether kubectl exec works on each host and in the pod. */
async function execWorks(): Promise<boolean> {
  const results = await Promise.all(
    [...DEVICES, POD].map((pod) =>
      world().kubectl.tryRun(
        ["-n", NAMESPACE, "exec", pod, "--", "echo", "works"],
        { timeoutMs: ATTEMPT_MS },
      )
    ),
  );
  return results.every(({ stdout }) => stdout === "works\n");
}

/**
 * Waits until all devices are connected to this operator, and kubectl and status show it. Time in
 * which programs waited for a CPU does not count towards `withinMs`: other programs took it.
 */
async function untilServedBy(
  { host, operator }: HostedOperator,
  options: { failure: string; startMs: number; withinMs: number },
): Promise<void> {
  const { failure, startMs, withinMs } = options;
  const elapsedMs = () => Math.round(performance.now() - startMs);
  const stallMs = await readCpuStallMs();
  await until(() => servesAll(operator), {
    what: `all devices at ${host}`,
    timeoutMs: 2 * withinMs,
    detail: () => mustDevice(world()).agent.logTail(),
  });
  const linkedMs = elapsedMs();
  const stalledMs = Math.round(await readCpuStallMs() - stallMs);
  assert.ok(
    linkedMs - stalledMs <= withinMs,
    `${failure}: links after ${linkedMs} ms, of which ${stalledMs} ms without a free CPU`,
  );
  await until(execWorks, {
    what: "exec on hosts and pod",
    timeoutMs: KUBECTL_MS,
  });
  print(
    `${failure}: links after ${linkedMs} ms, of which ${stalledMs} ms without a free CPU; ` +
      `exec after ${elapsedMs()} ms`,
  );
  for (const name of DEVICES) {
    await untilCondition(
      world(),
      { kind: "edgedevice", name, type: "Connected", status: "True" },
      { timeoutMs: KUBECTL_MS },
    );
  }
}

/** kubectl commands that run in the pod while the leader fails. */
class Commands implements AsyncDisposable {
  readonly exec = readCounter(
    world(),
    ...["exec", "-i", POD, "--", "sh", "-c", COUNTER_SCRIPT],
  );
  readonly logs = readCounter(world(), "logs", "-f", POD);

  static async start(): Promise<Commands> {
    const commands = new Commands();
    for (const one of commands.all) await one.untilMore(5);
    return commands;
  }

  get all(): readonly CounterReader[] {
    return [this.exec, this.logs];
  }

  /**
   * Fails unless both end with a message and without having lost output before. kubectl logs has no
   * channel for errors: the message is its last line, like a kubelet's.
   */
  async assertFailed(): Promise<void> {
    print(`exec ended with: ${await this.exec.untilFailed()}`);
    this.exec.assertFromStart();
    await this.logs.untilEnded();
    print(`logs ended with: ${this.logs.texts.join("")}`);
    this.logs.assertEndsWithMessage();
  }

  /**
   * Fails unless both end without having lost output before. The API server reports the end of a
   * connection as success, so that kubectl may end with 0 and without a message.
   */
  async assertEnded(): Promise<void> {
    for (const one of this.all) {
      const { code } = await one.untilEnded();
      print(`kubectl ended with ${code}: ${one.errors.trim()}`);
      one.assertFromStart();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.all) await one[Symbol.asyncDispose]();
  }
}

/** Has the leader fail, and checks that the devices move to the other operator in time. */
async function failOver(options: {
  /** For the measured times. */
  failure: string;
  fail: (leader: HostedOperator) => Promise<unknown>;
  heal: (leader: HostedOperator) => Promise<unknown>;
  withinMs: number;
  /** Checks the kubectl commands that ran when the leader failed. */
  check: (commands: Commands) => Promise<void>;
}): Promise<void> {
  const { failure, fail, heal, withinMs, check } = options;
  const { leader, standby } = await untilLeader();
  await untilListed();
  const before = await containerState();
  await using nodes = new NodeWatch(world());
  await using commands = await Commands.start();
  const startMs = performance.now();
  await fail(leader);
  try {
    await untilServedBy(standby, { failure, startMs, withinMs });
    await check(commands);
  } finally {
    await heal(leader);
  }
  // It finds that the other one leads, and keeps nothing.
  await until(
    async () =>
      await readGauge(leader.operator, "aranya_leading") === 0 &&
      await readGauge(leader.operator, "aranya_suspended") === 0,
    { what: "a former leader that stands by", timeoutMs: 30_000 },
  );
  assert.ok(await servesAll(standby.operator));
  assert.equal(await containerState(), before);
  nodes.assertAlwaysReady();
}

for (const way of ["over", "back"]) {
  scenario(
    `all devices are connected to the other operator within 15 s when the leader is killed: ${way}`,
    async () => {
      await failOver({
        failure: "leader killed",
        fail: ({ operator }) => operator.crash(),
        heal: ({ operator }) => operator.restart(),
        withinMs: 15_000,
        check: (commands) => commands.assertEnded(),
      });
    },
    { restarts: true },
  );
}

scenario(
  "all devices are connected to the other operator within 15 s when the leader is stopped, and exec ends with a message",
  async () => {
    await failOver({
      failure: "leader stopped",
      fail: async ({ operator }) => assert.equal(await operator.stop(), 0),
      heal: ({ operator }) => operator.restart(),
      withinMs: 15_000,
      check: (commands) => commands.assertFailed(),
    });
  },
  { restarts: true },
);

scenario(
  "all devices are connected to the other operator within offlineAfter and 10 s when the leader alone loses the API server, and exec ends with a message",
  async () => {
    const { port } = new URL(world().controlPlane.apiserver.url);
    const rule = ["OUTPUT", "-p", "tcp", "--dport", port, "-j", "DROP"];
    await failOver({
      failure: "API server lost by the leader",
      fail: ({ operator: { machine } }) =>
        machine.run("iptables", { args: ["-A", ...rule] }),
      heal: ({ operator: { machine } }) =>
        machine.run("iptables", { args: ["-D", ...rule] }),
      withinMs: OFFLINE_AFTER_MS + 10_000,
      check: (commands) => commands.assertFailed(),
    });
  },
  { restarts: true },
);

scenario(
  "all devices are connected to the other operator within offlineAfter and 10 s when the leader's host vanishes",
  async () => {
    await failOver({
      failure: "leader's host vanished",
      fail: ({ host }) => world().network.disconnect(host),
      heal: ({ host }) => world().network.reconnect(host),
      withinMs: OFFLINE_AFTER_MS + 10_000,
      // The API server waits for minutes for a host that does not answer.
      check: (commands) =>
        Promise.resolve(commands.all.forEach((one) => one.assertFromStart())),
    });
  },
  { restarts: true },
);

for (const way of ["stopped", "killed"] as const) {
  scenario(
    `all devices are served again when both operators are ${way} and started at once`,
    async () => {
      await untilLeader();
      const before = await containerState();
      await using nodes = new NodeWatch(world());
      const startMs = performance.now();
      const { operators } = world();
      await Promise.all(
        operators.map((one) => way === "stopped" ? one.stop() : one.crash()),
      );
      await Promise.all(operators.map((one) => one.restart()));
      const { leader } = await untilLeader();
      await untilServedBy(leader, {
        failure: `both operators ${way} and started`,
        startMs,
        withinMs: 45_000,
      });
      assert.equal(await containerState(), before);
      nodes.assertAlwaysReady();
    },
    { restarts: true },
  );
}

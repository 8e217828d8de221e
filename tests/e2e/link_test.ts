// SPDX-License-Identifier: Apache-2.0
/**
 * Short and long interruptions of a device's link, and attach, port-forward and statistics of the
 * virtual pod.
 */
import assert from "node:assert/strict";
import { tryRun } from "../../dev/base/run.ts";
import { until } from "../../dev/base/wait.ts";
import { Agent, NAMESPACE, Operator } from "../../dev/world/mod.ts";
import {
  container,
  findPod,
  firstContainer,
  isReady,
  type PodObject,
  podOn,
  untilPod,
} from "./_support/pods.ts";
import {
  conditionStatus,
  DEVICE,
  mustDevice,
  scenario,
  untilCondition,
  untilServed,
  useWorld,
} from "./_support/scenario.ts";
import {
  COUNTER_SCRIPT,
  execCounter,
  readCounter,
} from "./_support/counter.ts";
import { utf8 } from "../../lib/shared/base/mod.ts";

const world = useWorld();
const POD = "counter";

/** Connects the device's network interface, or disconnects it. */
async function setInterface(state: "up" | "down"): Promise<void> {
  await mustDevice(world()).machine.run("ip", {
    args: ["link", "set", "eth0", state],
  });
}

const CONNECTED = { kind: "edgedevice", name: DEVICE, type: "Connected" };
const READY = { kind: "node", name: DEVICE, type: "Ready" };

function startTime(pod: PodObject | undefined): string | undefined {
  return firstContainer(pod)?.state.running?.startedAt;
}

async function startCounter(): Promise<PodObject> {
  if (!await findPod(world(), POD)) {
    await world().kubectl.apply(podOn(DEVICE, POD, {
      containers: [container(COUNTER_SCRIPT)],
    }));
  }
  return await untilPod(world(), POD, {
    what: "Ready",
    is: isReady,
    timeoutMs: 120_000,
  });
}

for (const cutMs of [8_000, 25_000]) {
  scenario(
    `exec and logs -f continue without lost or repeated output after an interruption of ${
      cutMs / 1000
    } s`,
    async () => {
      const before = await startCounter();
      await using onHost = execCounter(world(), DEVICE);
      await using inPod = execCounter(world(), POD);
      await using logs = readCounter(world(), "logs", "-f", POD);
      const all = [onHost, inPod, logs];
      await Promise.all(all.map((one) => one.untilMore(10)));
      const startMs = performance.now();
      await setInterface("down");
      try {
        await until(() => performance.now() - startMs > cutMs, {
          what: "the end of the interruption",
        });
      } finally {
        await setInterface("up");
      }
      // Twice as much as was printed during the interruption.
      await Promise.all(all.map((one) => one.untilMore(cutMs / 50)));
      for (const one of all) one.assertContiguous();
      assert.equal(startTime(await findPod(world(), POD)), startTime(before));
    },
  );
}

scenario(
  "a device is not Ready when its link is interrupted for longer than offlineAfter, and Ready again when it is back",
  async () => {
    const before = await startCounter();
    await setInterface("down");
    try {
      await untilCondition(world(), { ...CONNECTED, status: "False" }, {
        timeoutMs: 90_000,
      });
      await until(
        async () => await conditionStatus(world(), READY) !== "True",
        { what: "a Node not Ready", timeoutMs: 120_000, intervalMs: 500 },
      );
    } finally {
      await setInterface("up");
    }
    await world().untilNodeReady(DEVICE, 90_000);
    const after = await untilPod(world(), POD, { what: "Ready", is: isReady });
    assert.equal(await conditionStatus(world(), CONNECTED), "True");
    assert.equal(startTime(after), startTime(before));
    assert.equal(after.status?.containerStatuses?.[0]?.restartCount, 0);
  },
);

scenario(
  "an operator whose gRPC port is taken names it and exits with 2",
  async () => {
    const { apiserver } = world().controlPlane;
    const { grpcPort } = world().operator;
    await world().kubectl.run(["create", "namespace", "second"]);
    await using second = await Operator.start({
      apiserver,
      name: "operator-second",
      namespace: "second",
      kubeconfig: apiserver.kubectl.kubeconfig,
      grpcPort,
      waits: false,
    });
    await until(
      async () =>
        (await Deno.readTextFile(second.log)).split("\n").some((line) =>
          line.includes("Cannot listen on") && line.includes(`:${grpcPort}`) &&
          line.includes("the port is taken")
        ),
      {
        what: "a line that names the port",
        timeoutMs: 60_000,
        detail: () => Deno.readTextFile(second.log),
      },
    );
    assert.equal(await second.program?.exited, 2);
  },
  { restarts: true },
);

scenario("kubectl attach -it opens a shell on the device", async () => {
  const { machine, program, kubeconfig } = world().kubectl;
  const command =
    `${program} --kubeconfig=${kubeconfig} -n ${NAMESPACE} attach -it ${DEVICE}`;
  // script gives kubectl a terminal.
  const [first = "", ...args] = machine.wrap([
    ...["script", "-qec", command, "/dev/null"],
  ]);
  const child = new Deno.Command(first, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let output = "";
  const reading = (async () => {
    const text = child.stdout.pipeThrough(new TextDecoderStream());
    for await (const part of text) output += part;
  })();
  const writer = child.stdin.getWriter();
  const send = (line: string) => writer.write(utf8(`${line}\n`));
  const detail = () => output;
  await until(() => /[#$] $/.test(output), { what: "a prompt", detail });
  await send("echo on $(hostname)");
  await until(() => output.includes(`on ${DEVICE}\r`), {
    what: "the output of the command",
    detail,
  });
  await send("exit");
  assert.equal((await child.status).code, 0, output);
  await writer.close();
  await reading;
});

scenario(
  "kubectl port-forward reaches a server on the device's loopback",
  async () => {
    const { machine } = mustDevice(world());
    await using server = await machine.launch(Deno.execPath(), {
      name: "listener",
      args: [
        "eval",
        'Deno.serve({ hostname: "127.0.0.1", port: 8123 }, () => new Response("from the loopback"))',
      ],
      log: `${machine.folder}/listener.log`,
    });
    assert.ok(server.running);
    await using forward = world().kubectl.start(
      ["-n", NAMESPACE, "port-forward", `pod/${DEVICE}`, "18123:8123"],
    );
    const errors = new Response(forward.child.stderr).text();
    const output = new Response(forward.child.stdout).text();
    const page = world().kubectl.machine.wrap([
      Deno.execPath(),
      "eval",
      'console.log(await (await fetch("http://127.0.0.1:18123/")).text())',
    ]);
    const [first = "", ...args] = page;
    await until(
      async () =>
        (await tryRun(first, { args })).stdout === "from the loopback\n",
      { what: "the page", timeoutMs: 30_000, intervalMs: 300 },
    );
    await forward[Symbol.asyncDispose]();
    await Promise.all([errors, output]);
  },
  { restarts: true },
);

scenario(
  "a device's statistics and metrics are available through its Node",
  async () => {
    const raw = (path: string) =>
      world().kubectl.run([
        ...["get", "--raw", `/api/v1/nodes/${DEVICE}/proxy/${path}`],
      ]);
    await startCounter();
    await until(async () => {
      const summary: {
        node: { nodeName: string; memory?: { workingSetBytes?: number } };
        pods: { podRef: { name: string } }[];
      } = JSON.parse(await raw("stats/summary"));
      assert.equal(summary.node.nodeName, DEVICE);
      return (summary.node.memory?.workingSetBytes ?? 0) > 0 &&
        summary.pods.some((one) => one.podRef.name === POD);
    }, { what: "memory of node and pod", timeoutMs: 60_000 });
    const metrics = await raw("metrics/resource");
    assert.match(metrics, /^node_cpu_usage_seconds_total [\d.]+/m);
    assert.match(
      metrics,
      new RegExp(`^container_memory_working_set_bytes\\{.*pod="${POD}"`, "m"),
    );
  },
);

scenario(
  "a device with a new machine id is accepted when the old one is offline",
  async () => {
    const { agent, machine } = mustDevice(world());
    const config = await Deno.readTextFile(agent.configFile);
    // The link stays half open: the operator gets no packet about its end.
    await setInterface("down");
    await agent.crash();
    await machine.run("sh", {
      args: ["-c", "tr a-f0-9 0-9a-f </etc/machine-id >/run/new-id"],
    });
    await machine.run("sh", {
      args: ["-c", "cat /run/new-id >/etc/machine-id"],
    });
    await setInterface("up");
    const startMs = performance.now();
    await using replaced = await Agent.start({
      machine,
      config: `${config.trimEnd()}\nstateDir: /var/lib/aranya/replaced\n`,
      logs: world().controlPlane.apiserver.logs,
      name: "agent-replaced",
    });
    await untilServed(world(), {
      timeoutMs: 90_000,
      detail: () => replaced.logTail(),
    });
    const tookMs = performance.now() - startMs;
    // Up to 15 s until the half-open link is detected, offlineAfter (10 s), and one more attempt.
    assert.ok(tookMs < 45_000, `it took ${Math.round(tookMs)} ms`);
  },
  { restarts: true },
);

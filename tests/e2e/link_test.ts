// SPDX-License-Identifier: Apache-2.0
/** What users see while a device's link is cut for a short or a long time, and the rest of what they ask a virtual pod for. */
import assert from "node:assert/strict";
import {
  Agent,
  IMAGES,
  NAMESPACE,
  Operator,
  type RunningKubectl,
  tryRun,
  until,
} from "../_support/mod.ts";
import {
  DEVICE,
  findPod,
  isReady,
  kubectl,
  mustDevice,
  type PodObject,
  podOn,
  story,
  untilPod,
  useWorld,
} from "./_support/story.ts";

const world = useWorld();
const POD = "counter";
const SHORT_MS = 8_000;
const COUNT =
  "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo $i; sleep 0.1; done";

/** The device's cable is pulled, or put back. */
async function setCable(state: "up" | "down"): Promise<void> {
  await mustDevice(world()).machine.run("ip", {
    args: ["link", "set", "eth0", state],
  });
}

async function condition(
  kind: string,
  name: string,
  type: string,
): Promise<string> {
  return await world().run(
    ...["get", kind, name, "-o"],
    `jsonpath={.status.conditions[?(@.type=="${type}")].status}`,
  );
}

function startTime(pod: PodObject | undefined): string | undefined {
  return pod?.status?.containerStatuses?.[0]?.state.running?.startedAt;
}

async function startCounter(): Promise<PodObject> {
  if (!await findPod(world(), POD)) {
    await world().kubectl.apply(podOn(DEVICE, POD, {
      containers: [{
        name: "main",
        image: IMAGES.busybox,
        command: ["sh", "-c", COUNT],
      }],
    }));
  }
  return await untilPod(world(), POD, {
    what: "Ready",
    is: isReady,
    timeoutMs: 120_000,
  });
}

/** Numbers that a kubectl prints, as they come. */
class Numbers implements AsyncDisposable {
  readonly #running: RunningKubectl;
  readonly #reading: Promise<void>;
  readonly #errors: Promise<string>;
  readonly lines: number[] = [];

  constructor(running: RunningKubectl) {
    this.#running = running;
    this.#errors = new Response(running.child.stderr).text();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    let rest = "";
    const text = this.#running.child.stdout.pipeThrough(
      new TextDecoderStream(),
    );
    for await (const piece of text) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines.map(Number));
    }
  }

  async untilMore(count: number): Promise<void> {
    const wanted = this.lines.length + count;
    await until(() => this.lines.length >= wanted, {
      what: `${count} more lines`,
      timeoutMs: 60_000,
    });
  }

  mustBeWhole(): void {
    const [first = 1] = this.lines;
    assert.deepEqual(this.lines, this.lines.map((_, index) => first + index));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
    await Promise.all([this.#reading, this.#errors]).catch(() => {});
  }
}

function follow(...args: string[]): Numbers {
  return new Numbers(world().kubectl.start(["-n", NAMESPACE, ...args]));
}

story(
  "exec and logs -f go on without loss or duplicates after a link that was cut for 8 s",
  async () => {
    const before = await startCounter();
    await using onHost = follow("exec", DEVICE, "--", "sh", "-c", COUNT);
    await using inPod = follow("exec", POD, "--", "sh", "-c", COUNT);
    await using logs = follow("logs", "-f", POD);
    const all = [onHost, inPod, logs];
    await Promise.all(all.map((one) => one.untilMore(10)));
    const cutMs = performance.now();
    await setCable("down");
    try {
      await until(() => performance.now() - cutMs > SHORT_MS, {
        what: "the end of the cut",
      });
    } finally {
      await setCable("up");
    }
    // Twice what was printed meanwhile.
    await Promise.all(all.map((one) => one.untilMore(160)));
    for (const one of all) one.mustBeWhole();
    assert.equal(startTime(await findPod(world(), POD)), startTime(before));
  },
);

story(
  "a device cut off for longer than offlineAfter is not Ready, and all is Ready again when it is back",
  async () => {
    const before = await startCounter();
    await setCable("down");
    try {
      await until(
        async () =>
          await condition("edgedevice", DEVICE, "Connected") === "False",
        { what: "Connected False", timeoutMs: 90_000, intervalMs: 500 },
      );
      await until(
        async () => await condition("node", DEVICE, "Ready") !== "True",
        { what: "a Node not Ready", timeoutMs: 120_000, intervalMs: 500 },
      );
    } finally {
      await setCable("up");
    }
    await world().untilNodeReady(DEVICE, 90_000);
    const after = await untilPod(world(), POD, { what: "Ready", is: isReady });
    assert.equal(
      await condition("edgedevice", DEVICE, "Connected"),
      "True",
    );
    assert.equal(startTime(after), startTime(before));
    assert.equal(after.status?.containerStatuses?.[0]?.restartCount, 0);
  },
);

story(
  "an operator names the gRPC port that is taken and ends with 2",
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

story("kubectl attach -it gives a shell on the device", async () => {
  const { machine, program, kubeconfig } = world().kubectl;
  const command =
    `${program} --kubeconfig=${kubeconfig} -n ${NAMESPACE} attach -it ${DEVICE}`;
  const [first = "", ...args] = machine.wrap([
    ...["sh", "-c"],
    `(sleep 2; echo 'echo on $(hostname)'; sleep 1; echo exit) | script -qec '${command}' /dev/null`,
  ]);
  const result = await tryRun(first, { args, timeoutMs: 60_000 });
  assert.match(result.stdout, new RegExp(`on ${DEVICE}\\r`), result.stderr);
});

story(
  "kubectl port-forward reaches a listener on the device's loopback",
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

story(
  "a device's stats and metrics are read through its Node",
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

story(
  "a device with a new machine id is served soon after its former self is gone",
  async () => {
    const { agent, machine } = mustDevice(world());
    const config = await Deno.readTextFile(agent.configFile);
    // The link stays half open: nobody tells the operator.
    await setCable("down");
    await agent.crash();
    await machine.run("sh", {
      args: ["-c", "tr a-f0-9 0-9a-f </etc/machine-id >/run/new-id"],
    });
    await machine.run("sh", {
      args: ["-c", "cat /run/new-id >/etc/machine-id"],
    });
    await setCable("up");
    const startMs = performance.now();
    await using anew = await Agent.start({
      machine,
      config: `${config.trimEnd()}\nstateDir: /var/lib/aranya/anew\n`,
      logs: world().controlPlane.apiserver.logs,
      name: "agent-anew",
    });
    await until(
      async () =>
        (await kubectl(world(), "exec", DEVICE, "--", "true")).code === 0,
      {
        what: "a device that is served",
        timeoutMs: 90_000,
        intervalMs: 500,
        detail: () => anew.logTail(),
      },
    );
    const tookMs = performance.now() - startMs;
    // Half open for up to 15 s, held for offlineAfter (10 s), then one more try.
    assert.ok(tookMs < 45_000, `it took ${Math.round(tookMs)} ms`);
  },
  { restarts: true },
);

// SPDX-License-Identifier: Apache-2.0
/** What happens to a running pod and to an exec in flight when a part is killed. */
import assert from "node:assert/strict";
import {
  IMAGES,
  NAMESPACE,
  type RunningKubectl,
  until,
} from "../_support/mod.ts";
import {
  DEVICE,
  findPod,
  isReady,
  kubectl,
  mustDevice,
  podOn,
  story,
  untilPod,
  useWorld,
} from "./_support/story.ts";

const world = useWorld();
const POD = "survivor";
const COUNTER =
  "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; sleep 0.1; done";

/** Starts the pod unless it runs, and tells when its container started, as the engine says. */
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
  assert.equal(pod.status?.containerStatuses?.[0]?.restartCount, 0);
  const id =
    pod.status?.containerStatuses?.[0]?.containerID?.replace("docker://", "") ??
      "";
  return await mustDevice(world()).dockerd.run([
    "inspect",
    "-f",
    "{{.State.StartedAt}} {{.State.Running}}",
    id,
  ]);
}

/** An exec that counts, as far as it has come. */
class Counting implements AsyncDisposable {
  readonly #running: RunningKubectl;
  readonly #done: Promise<void>;
  lines: number[] = [];
  errors = "";

  constructor(running: RunningKubectl) {
    this.#running = running;
    this.#done = Promise.all([this.#read(), this.#readErrors()]).then(() => {});
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (
      const text of this.#running.child.stdout.pipeThrough(
        new TextDecoderStream(),
      )
    ) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines.map(Number));
    }
  }

  async #readErrors(): Promise<void> {
    for await (
      const text of this.#running.child.stderr.pipeThrough(
        new TextDecoderStream(),
      )
    ) this.errors += text;
  }

  async untilLine(line: number): Promise<void> {
    await until(() => (this.lines.at(-1) ?? 0) >= line, {
      what: `line ${line} of the exec`,
      timeoutMs: 30_000,
    });
  }

  /**
   * Either it has gone on without a gap, or it has ended with a reason. `isCutOff`: the server at its end was killed and can give none; the
   * API server takes that for a good end.
   */
  async mustGoOnOrEnd(
    options: { isCutOff?: boolean } = {},
  ): Promise<"went on" | "ended"> {
    const before = this.lines.at(-1) ?? 0;
    let ended: Deno.CommandStatus | undefined;
    this.#running.child.status.then((status) => ended = status);
    const how = await until(
      () =>
        ended
          ? "ended" as const
          : (this.lines.at(-1) ?? 0) > before + 20 && "went on" as const,
      { what: "an exec that goes on or ends", timeoutMs: 90_000 },
    );
    if (how === "ended") await this.#done;
    if (how === "ended" && !options.isCutOff) {
      assert.ok(!ended?.success, "the exec ended as if all were well");
      assert.notEqual(
        this.errors.trim(),
        "",
        "the exec ended without a reason",
      );
    }
    assert.deepEqual(this.lines, this.lines.map((_, index) => index + 1));
    return how;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
    await this.#done.catch(() => {});
  }
}

async function countIn(pod: string): Promise<Counting> {
  const counting = new Counting(
    world().kubectl.start([
      "-n",
      NAMESPACE,
      "exec",
      pod,
      "--",
      "sh",
      "-c",
      COUNTER,
    ]),
  );
  await counting.untilLine(5);
  return counting;
}

async function mustWork(): Promise<void> {
  await until(async () => {
    const results = await Promise.all(
      [DEVICE, POD].map((pod) =>
        kubectl(world(), "exec", pod, "--", "echo", "works")
      ),
    );
    return results.every((one) => one.stdout === "works\n");
  }, { what: "exec on host and pod", timeoutMs: 90_000, intervalMs: 500 });
}

story(
  "killing the operator leaves the container running; the exec goes on or ends with a reason",
  async () => {
    const before = await startedAt();
    await using counting = await countIn(POD);
    await world().operator.crash();
    await world().operator.restart();
    await counting.mustGoOnOrEnd({ isCutOff: true });
    await world().untilNodeReady(DEVICE, 90_000);
    await mustWork();
    assert.equal(await startedAt(), before);
  },
  { restarts: true },
);

story(
  "an operator that starts again keeps kubelet ports and writes nothing that is right already",
  async () => {
    const look = async () => {
      const node = await world().kubectl.find<
        {
          status: { daemonEndpoints: unknown };
          metadata: { uid: string; name: string };
        }
      >(["node", DEVICE]);
      const pod = await findPod(world(), DEVICE);
      return [
        node?.status.daemonEndpoints,
        node?.metadata.uid,
        pod?.metadata.uid,
      ];
    };
    const before = await look();
    assert.equal(await world().operator.stop(), 0);
    await world().operator.restart();
    await world().untilNodeReady(DEVICE, 90_000);
    await mustWork();
    assert.deepEqual(await look(), before);
  },
  { restarts: true },
);

story(
  "killing the agent leaves the container running; the exec goes on or ends with a reason",
  async () => {
    const before = await startedAt();
    await using counting = await countIn(POD);
    await using onHost = await countIn(DEVICE);
    const { agent } = mustDevice(world());
    await agent.crash();
    await agent.restart();
    await counting.mustGoOnOrEnd();
    await onHost.mustGoOnOrEnd();
    await world().untilNodeReady(DEVICE, 90_000);
    await mustWork();
    assert.equal(await startedAt(), before);
  },
  { restarts: true },
);

story(
  "a second agent of the device waits and takes over within 5 s of the first one's end",
  async () => {
    const { agent, machine } = mustDevice(world());
    const { Agent } = await import("../_support/mod.ts");
    await using second = await Agent.start({
      machine,
      config: await Deno.readTextFile(agent.configFile),
      logs: world().controlPlane.apiserver.logs,
      name: "agent-second",
    });
    await until(
      async () =>
        /lock|waits|waiting/i.test(await Deno.readTextFile(second.log)),
      { what: "a waiting second agent" },
    );
    await agent.crash();
    const startMs = performance.now();
    await mustWork();
    assert.ok(
      performance.now() - startMs < 10_000,
      "the second agent took longer",
    );
    await second.stop();
    await agent.restart();
    await mustWork();
  },
  { restarts: true },
);

story(
  "the API server killed for 30 s leaves the container running and everything heals",
  async () => {
    const before = await startedAt();
    const { apiserver } = world().controlPlane;
    await using counting = await countIn(POD);
    const downMs = performance.now();
    await apiserver.crash();
    await until(() => performance.now() - downMs > 30_000, {
      what: "30 s without an API server",
      timeoutMs: 40_000,
    });
    assert.equal(world().operator.program?.running, true);
    await apiserver.restart();
    await counting.mustGoOnOrEnd();
    await world().untilNodeReady(DEVICE, 120_000);
    await mustWork();
    assert.equal(await startedAt(), before);
    assert.equal(world().operator.program?.running, true);
  },
  { restarts: true },
);

story(
  "a device without power is NotReady, and its pod runs again when it is back",
  async () => {
    await startedAt();
    const { agent } = mustDevice(world());
    await agent.crash();
    await until(
      async () =>
        (await world().run(
          "get",
          "edgedevice",
          DEVICE,
          "-o",
          'jsonpath={.status.conditions[?(@.type=="Connected")].status}',
        )) === "False",
      {
        what: "a device that is seen to be gone",
        timeoutMs: 60_000,
        intervalMs: 500,
      },
    );
    const refused = await kubectl(world(), "exec", DEVICE, "--", "true");
    assert.match(refused.stderr, /offline/);
    await agent.restart();
    await world().untilNodeReady(DEVICE, 90_000);
    await mustWork();
  },
  { restarts: true },
);

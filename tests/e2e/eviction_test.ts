// SPDX-License-Identifier: Apache-2.0
/** A device that runs short of disk space or memory, as kubectl shows it. */
import assert from "node:assert/strict";
import {
  container,
  firstContainer,
  isReady,
  type PodObject,
  podOn,
  untilPod,
} from "./_support/pods.ts";
import {
  mustDeviceWithoutEngine,
  scenario,
  untilCondition,
  untilEvent,
  useWorld,
} from "./_support/scenario.ts";

const SMALL = "edge-small";
const DISK_MEBIBYTES = 300;
/** Rounds of eviction every 10 s, on a busy machine. */
const TIMEOUT_MS = 120_000;
const GIBIBYTE = 1024 ** 3;

const world = useWorld({ devices: [] });

const toEviction = (memoryThreshold: string) => `
eviction:
  hard: {memory.available: "${memoryThreshold}", nodefs.available: 0, nodefs.inodesFree: 0}
  pressureTransitionPeriod: 15s
`;

async function untilPressure(type: string, status: string): Promise<void> {
  await untilCondition(world(), { kind: "node", name: SMALL, type, status }, {
    timeoutMs: TIMEOUT_MS,
    detail: () => mustDeviceWithoutEngine(world(), SMALL).agent.logTail(),
  });
}

function untilFailed(name: string): Promise<PodObject> {
  return untilPod(world(), name, {
    what: "Failed",
    is: ({ status }) => status?.phase === "Failed",
    timeoutMs: TIMEOUT_MS,
  });
}

/** Returns "reason: message" of a pod that failed. */
const failureOf = ({ status }: PodObject) =>
  `${status?.reason}: ${status?.message}`;

const disruptionOf = ({ status }: PodObject) =>
  status?.conditions?.find(({ type }) => type === "DisruptionTarget");

scenario(
  "a pod that fills the device's disk is evicted, and the device recovers",
  async () => {
    await world().addDevice(SMALL, {
      diskMebibytes: DISK_MEBIBYTES,
      edit: (config) => config + toEviction("0"),
    });
    await world().untilNodeReady(SMALL);
    await world().kubectl.apply(podOn(SMALL, "quiet", {
      containers: [container("sleep 100000")],
    }));
    await untilPod(world(), "quiet", { what: "Ready", is: isReady });
    await world().kubectl.apply(podOn(SMALL, "greedy", {
      containers: [
        container("dd if=/dev/zero of=/fill bs=1M; sleep 100000"),
      ],
    }));
    await untilPressure("DiskPressure", "True");
    const evicted = await untilFailed("greedy");
    assert.match(
      failureOf(evicted),
      /^Evicted: The node was low on resource: ephemeral-storage\. Threshold quantity: \w+, available: \w+\. Container main was using \w+, request is 0, has larger consumption of ephemeral-storage\. $/,
    );
    assert.equal(disruptionOf(evicted)?.status, "True");
    await untilEvent(world(), "greedy", /^Evicted The node was low on/);
    await untilEvent(world(), SMALL, /^EvictionThresholdMet Attempting to/);
    await untilPressure("DiskPressure", "False");
    const quiet = await untilPod(world(), "quiet", {
      what: "Ready",
      is: isReady,
    });
    assert.equal(firstContainer(quiet)?.restartCount, 0);
    await world().kubectl.apply(podOn(SMALL, "after", {
      containers: [container("sleep 100000")],
    }));
    await untilPod(world(), "after", {
      what: "Ready",
      is: isReady,
      timeoutMs: TIMEOUT_MS,
    });
    await world().run("delete", "pod", "quiet", "greedy", "after");
  },
  { restarts: true, timeoutMs: 480_000 },
);

scenario(
  "under memory pressure the pod above its request is evicted first, and pods without requests are rejected",
  async () => {
    const { agent } = mustDeviceWithoutEngine(world(), SMALL);
    await world().kubectl.apply(podOn(SMALL, "modest", {
      containers: [
        container("sleep 100000", {
          resources: { requests: { memory: "256Mi" } },
        }),
      ],
    }));
    await world().kubectl.apply(podOn(SMALL, "hungry", {
      containers: [
        container("x=$(head -c 48000000 /dev/zero | tr '\\0' x); sleep 100000"),
      ],
    }));
    for (const name of ["modest", "hungry"]) {
      await untilPod(world(), name, { what: "Ready", is: isReady });
    }
    // More than this machine has left: the pressure is real.
    const { available } = Deno.systemMemoryInfo();
    const config = await Deno.readTextFile(agent.configFile);
    await agent.configure(
      config.replace(
        `memory.available: "0"`,
        `memory.available: "${available + 8 * GIBIBYTE}"`,
      ),
    );
    await agent.restart();
    const evicted = await untilFailed("hungry");
    assert.match(
      failureOf(evicted),
      /^Evicted: The node was low on resource: memory\. Threshold quantity: \w+, available: \w+\. Container main was using \w+, request is 0, has larger consumption of memory\. $/,
    );
    await untilPressure("MemoryPressure", "True");
    await world().kubectl.apply(podOn(SMALL, "rejected", {
      nodeName: SMALL,
      containers: [container("sleep 100000")],
    }));
    const rejected = await untilFailed("rejected");
    assert.equal(
      failureOf(rejected),
      "Evicted: Pod was rejected: The node had condition: [MemoryPressure]. ",
    );
    // As with a kubelet, which doesn't look at the containers of a pod that it rejects.
    const { containerStatuses, conditions } = rejected.status ?? {};
    assert.deepEqual([containerStatuses, conditions], [undefined, undefined]);
    await untilEvent(
      world(),
      "rejected",
      /^Evicted The node had condition: \[MemoryPressure\]\. $/,
    );
    assert.match(
      await world().run("get", "pod", "rejected", "--no-headers"),
      /^rejected +0\/1 +Evicted /,
    );
    await agent.configure(config);
    await agent.restart();
    await untilPressure("MemoryPressure", "False");
  },
  { restarts: true, timeoutMs: 480_000 },
);

// SPDX-License-Identifier: Apache-2.0
/** Time from `kubectl apply` to Ready, and memory of running pods. */
import { pod } from "./streams_throughput.ts";
import type { StreamsRig } from "./streams_rig.ts";

const COUNTS = [1, 20];
const IDLE_COUNT = 10;
const SLEEPER = { command: ["sleep", "3600"] };

/** Prints their lines of the table. */
export async function measurePods(rig: StreamsRig): Promise<void> {
  await rig.world.devices.get("edge-1")?.agent.restart();
  await rig.world.untilNodeReady("edge-1");
  for (const count of COUNTS) {
    const seconds = await run(rig, count);
    await rig.printRow(
      `apply → Ready, ${count} ${count === 1 ? "pod" : "pods"}`,
      `${seconds.toFixed(1)} s`,
    );
    await remove(rig);
  }
  await run(rig, IDLE_COUNT);
  await rig.printMemory(`${IDLE_COUNT} pods`);
  await remove(rig);
}

async function run(rig: StreamsRig, count: number): Promise<number> {
  const names = Array.from(
    { length: count },
    (_, index) => `of-${count}-${index}`,
  );
  const startMs = performance.now();
  await rig.world.kubectl.apply(names.map((name) => pod(name, SLEEPER)));
  await rig.shell(
    `k wait --for=condition=Ready --timeout=120s ${
      names.map((name) => `pod/${name}`).join(" ")
    }`,
  );
  return (performance.now() - startMs) / 1_000;
}

async function remove(rig: StreamsRig): Promise<void> {
  await rig.shell("k delete pod -l app=bench --timeout=120s");
}

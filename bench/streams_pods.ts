// SPDX-License-Identifier: Apache-2.0
/** From `kubectl apply` to Ready, and what running pods cost. */
import { pod } from "./streams_bytes.ts";
import type { Bench } from "./streams_world.ts";

const COUNTS = [1, 20];
const IDLE_COUNT = 10;
const SLEEPER = { command: ["sleep", "3600"] };

/** Adds its lines to the table. */
export async function measurePods(bench: Bench): Promise<void> {
  await bench.world.devices.get("edge-1")?.agent.restart();
  await bench.world.untilNodeReady("edge-1");
  for (const count of COUNTS) {
    const seconds = await run(bench, count);
    await bench.row(
      `apply → Ready, ${count} ${count === 1 ? "pod" : "pods"}`,
      `${seconds.toFixed(1)} s`,
    );
    await remove(bench);
  }
  await run(bench, IDLE_COUNT);
  await bench.memory(`${IDLE_COUNT} pods`);
  await remove(bench);
}

async function run(bench: Bench, count: number): Promise<number> {
  const names = Array.from(
    { length: count },
    (_, index) => `of-${count}-${index}`,
  );
  const startMs = performance.now();
  await bench.world.kubectl.apply(names.map((name) => pod(name, SLEEPER)));
  await bench.shell(
    `k wait --for=condition=Ready --timeout=120s ${
      names.map((name) => `pod/${name}`).join(" ")
    }`,
  );
  return (performance.now() - startMs) / 1_000;
}

async function remove(bench: Bench): Promise<void> {
  await bench.shell("k delete pod -l app=bench --timeout=120s");
}

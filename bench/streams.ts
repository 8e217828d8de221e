// SPDX-License-Identifier: Apache-2.0
/**
 * What users of kubectl feel, through the whole product: `deno task bench streams [--megabytes 200]`.
 *
 * Starts the test world (API server, operator, one device with an engine and an agent) on this machine, so that client, API server and both of our
 * ends share its cores. CPU time of our two ends stands beside each rate: it holds also on a machine that has other work.
 */
import { parseArgs } from "node:util";
import { World } from "../dev/world/world.ts";
import { measureBytes } from "./streams_bytes.ts";
import { measurePods } from "./streams_pods.ts";
import { Bench, DEVICE } from "./streams_world.ts";

const { values } = parseArgs({
  options: { megabytes: { type: "string", default: "200" } },
});
await using world = await World.start({ devices: [DEVICE] });
const bench = Bench.of(world, { megabytes: Number(values.megabytes) });
await bench.timeCalls("kubectl get pod", ["get", "pod", DEVICE]);
await bench.timeCalls("exec true", ["exec", DEVICE, "--", "true"]);
await measureBytes(bench);
await measurePods(bench);

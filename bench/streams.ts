// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task bench streams [--megabytes 200]`: rates and times of kubectl commands through all
 * parts.
 *
 * Client, API server, operator and agent run on this machine and share its cores. The CPU time of
 * operator and agent is printed with each rate; unlike the rate, it hardly depends on other load.
 */
import { parseArgs } from "node:util";
import { World } from "../dev/world/mod.ts";
import { measureThroughput } from "./streams_throughput.ts";
import { measurePods } from "./streams_pods.ts";
import { DEVICE, StreamsRig } from "./streams_rig.ts";

const { values } = parseArgs({
  options: { megabytes: { type: "string", default: "200" } },
});
await using world = await World.start({ devices: [DEVICE] });
const rig = StreamsRig.of(world, { megabytes: Number(values.megabytes) });
await rig.measureTime("kubectl get pod", ["get", "pod", DEVICE]);
await rig.measureTime("exec true", ["exec", DEVICE, "--", "true"]);
await measureThroughput(rig);
await measurePods(rig);

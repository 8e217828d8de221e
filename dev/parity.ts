// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task parity [-- flags]`: runs a table of pods on a device and on a real kubelet, and
 * compares what the API shows of them. Root is required. Exit code 1 when a pod differs in
 * something that dev/parity/reasons.ts doesn't explain.
 *
 * - `--only TEXT`: only cases whose name contains it; may be repeated
 * - `--fast`: only the fast third
 * - `--against FILE`: compares with recorded results, without a kubelet
 * - `--record FILE`: records the kubelet only, twice, and writes what is stable; with
 *   `--node device` the device, once
 * - `--observed FILE`: compares that recording of a device, and runs nothing
 * - `--repeat N`: runs on each node; a difference counts when all runs of the device show it
 * - `--concurrency N`: cases that run at the same time on a node
 * - `--page`: writes docs/parity.md
 * - `--keep`: keeps the logs of all programs
 */
import { parseArgs } from "node:util";
import { join, ROOT } from "./base/paths.ts";
import { formatElapsed, print, warn } from "./base/terminal.ts";
import { kubernetesVersion, prepareBinaries } from "./build/binaries.ts";
import { prepareModules } from "./build/modules.ts";
import { CASES } from "./parity/cases/all_cases.ts";
import { compareRecords } from "./parity/compare.ts";
import { type NodeRole, ParityWorld } from "./parity/parity_world.ts";
import type { PodCase } from "./parity/pod_case.ts";
import {
  readRecording,
  type Recording,
  writeRecording,
} from "./parity/record_file.ts";
import type { ParityRecord } from "./parity/record_pod.ts";
import {
  type Comparison,
  describeCases,
  isAccepted,
  renderPage,
  summarize,
} from "./parity/report.ts";
import { runCases } from "./parity/run_cases.ts";
import { type StableRecord, toStableRecord } from "./parity/stable_record.ts";
import { prepareEngine } from "./world/mod.ts";

const PAGE = join(ROOT, "docs/parity.md");
/** Runs of a recording: what differs between them is not compared. */
const RECORDED_RUNS = 2;

/** Records of each case, one for each run. */
type Runs = Map<string, ParityRecord[]>;

interface ParityFlags {
  cases: PodCase[];
  against: string | undefined;
  record: string | undefined;
  node: NodeRole;
  observed: string | undefined;
  repeat: number;
  concurrency: number;
  page: boolean;
  keep: boolean;
}

function readFlags(args: string[]): ParityFlags {
  const { values } = parseArgs({
    args: args.filter((one) => one !== "--"),
    options: {
      only: { type: "string", multiple: true },
      fast: { type: "boolean", default: false },
      against: { type: "string" },
      record: { type: "string" },
      node: { type: "string", default: "kubelet" },
      observed: { type: "string" },
      repeat: { type: "string", default: "1" },
      concurrency: { type: "string", default: "8" },
      page: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
    },
  });
  const { only, fast, against, record, observed, page, keep } = values;
  return {
    cases: CASES.filter(({ name, isFast }) =>
      (!fast || isFast) && (!only || only.some((text) => name.includes(text)))
    ),
    against,
    record,
    observed,
    node: values.node === "device" ? "device" : "kubelet",
    repeat: Number(values.repeat),
    concurrency: Number(values.concurrency),
    page,
    keep,
  };
}

/** Runs the cases on the nodes of these roles, several times. */
async function observe(
  roles: NodeRole[],
  flags: ParityFlags & { runCount: number },
): Promise<Record<NodeRole, Runs>> {
  const { cases, concurrency, runCount, keep } = flags;
  const result: Record<NodeRole, Runs> = {
    device: new Map(),
    kubelet: new Map(),
  };
  await using world = await ParityWorld.start(roles);
  if (keep) {
    world.keepLogs();
    print(`logs are kept in ${world.logs}`);
  }
  for (let run = 1; run <= runCount; run++) {
    await Promise.all(world.nodes.map(async (node) => {
      const records = await runCases({
        kubectl: world.kubectl,
        node,
        cases,
        concurrency,
        onDone: (name, doneCount) =>
          print(
            `${node.role} run ${run}: ${doneCount}/${cases.length} ${name}`,
          ),
      });
      for (const [name, record] of records) {
        const runs = result[node.role];
        runs.set(name, [...runs.get(name) ?? [], record]);
      }
    }));
  }
  return result;
}

async function toRecording(runs: Runs, runCount: number): Promise<Recording> {
  const records = new Map(
    [...runs].map(([name, list]) => [name, toStableRecord(list)]),
  );
  const command = `deno task parity ${Deno.args.join(" ")}`.trim();
  return {
    facts: { command, kubelet: await kubernetesVersion(), runCount },
    records,
  };
}

function compareAll(recording: Recording, runs: Runs): Comparison {
  const result = new Map();
  for (const [name, expected] of recording.records) {
    const actual = runs.get(name);
    if (actual) result.set(name, compareRecords(expected, actual));
  }
  return result;
}

/** Runs the cases on one node and writes what is the same in all runs. */
async function record(path: string, flags: ParityFlags): Promise<void> {
  const { node, repeat } = flags;
  const runCount = node === "kubelet"
    ? Math.max(RECORDED_RUNS, repeat)
    : repeat;
  const { [node]: runs } = await observe([node], { ...flags, runCount });
  await writeRecording(path, await toRecording(runs, runCount));
}

/** Returns the records of both nodes, from files or from runs. */
async function observeBoth(
  flags: ParityFlags,
): Promise<{ recording: Recording; runs: Runs }> {
  const { against, observed, repeat: runCount } = flags;
  const recording = against ? await readRecording(against) : undefined;
  if (recording && observed) {
    const { records } = await readRecording(observed);
    const runs = new Map([...records].map(([name, record]) => [
      name,
      [{ leaves: record.leaves, timings: toTimings(record) }],
    ]));
    return { recording, runs };
  }
  const roles: NodeRole[] = recording ? ["device"] : ["device", "kubelet"];
  const { device, kubelet } = await observe(roles, { ...flags, runCount });
  return {
    recording: recording ?? await toRecording(kubelet, runCount),
    runs: device,
  };
}

function toTimings({ timings }: StableRecord): Record<string, number> {
  return Object.fromEntries(
    Object.entries(timings).map(([what, { minMs }]) => [what, minMs]),
  );
}

async function prepare(): Promise<void> {
  await prepareModules();
  await prepareBinaries();
  const missing = await prepareEngine();
  if (missing) warn(missing);
}

/** Returns whether every compared pod is equal or explained; true after a recording. */
async function main(): Promise<boolean> {
  const startMs = performance.now();
  const flags = readFlags(Deno.args);
  await prepare();
  if (flags.record) {
    await record(flags.record, flags);
    print(`recorded in ${formatElapsed(performance.now() - startMs)}`);
    return true;
  }
  const { recording, runs } = await observeBoth(flags);
  const comparison = compareAll(recording, runs);
  for (const line of describeCases(comparison)) print(line);
  if (flags.page) {
    await Deno.writeTextFile(PAGE, renderPage(comparison, recording.facts));
  }
  print(
    `\n== ${summarize(comparison)} (${
      formatElapsed(performance.now() - startMs)
    })`,
  );
  return isAccepted(comparison);
}

if (import.meta.main) Deno.exitCode = await main() ? 0 : 1;

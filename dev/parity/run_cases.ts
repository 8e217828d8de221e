// SPDX-License-Identifier: Apache-2.0
/** Runs cases on a node, several at a time. */
import type { Kubectl } from "../world/mod.ts";
import { NamespaceWatch } from "./namespace_watch.ts";
import type { ParityNode } from "./parity_world.ts";
import type { PodCase } from "./pod_case.ts";
import { type ParityRecord, recordPod } from "./record_pod.ts";

/** Options of {@linkcode runCases}. */
export interface RunCasesOptions {
  kubectl: Kubectl;
  node: ParityNode;
  cases: readonly PodCase[];
  /** How many cases run at the same time. @default 8 */
  concurrency?: number;
  /** Called after each case. */
  onDone?: (name: string, doneCount: number) => void;
}

/** Runs all cases on a node and returns their records by name. */
export async function runCases(
  options: RunCasesOptions,
): Promise<Map<string, ParityRecord>> {
  const { kubectl, node, cases, concurrency = 8, onDone } = options;
  const watch = NamespaceWatch.start(kubectl, node.namespace);
  const records = new Map<string, ParityRecord>();
  const queue = cases.values();
  try {
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        for (const entry of queue) {
          const record = await recordPod(entry, { kubectl, node, watch });
          records.set(entry.name, record);
          onDone?.(entry.name, records.size);
        }
      }),
    );
  } finally {
    await watch[Symbol.asyncDispose]();
  }
  return records;
}

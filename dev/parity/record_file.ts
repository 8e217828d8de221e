// SPDX-License-Identifier: Apache-2.0
/**
 * Files of recorded results: a line of JSON about the recording, a line with the leaves that most
 * cases have in common, then a line for each case with what differs from them.
 */
import type { Leaves } from "./flatten.ts";
import type { StableRecord } from "./stable_record.ts";

/** How results were recorded. */
export interface RecordingFacts {
  /** The command that made the file. */
  command: string;
  /** Version of the recorded kubelet. */
  kubelet: string;
  runCount: number;
}

/** A whole file. */
export interface Recording {
  facts: RecordingFacts;
  records: Map<string, StableRecord>;
}

/** A case's line; null for a common leaf that it does not have. */
interface CaseLine extends Omit<StableRecord, "leaves"> {
  name: string;
  leaves: Record<string, Leaves[string] | null>;
}

/** Writes a file; cases are sorted by name. */
export async function writeRecording(
  path: string,
  recording: Recording,
): Promise<void> {
  await Deno.writeTextFile(path, encodeRecording(recording));
}

/** Reads a file that {@linkcode writeRecording} wrote. */
export async function readRecording(path: string): Promise<Recording> {
  return decodeRecording(await Deno.readTextFile(path));
}

/** Returns the text of a file. */
export function encodeRecording({ facts, records }: Recording): string {
  const common = findCommon([...records.values()]);
  const lines = [...records.keys()].sort().map((name): CaseLine => {
    const { leaves, unstable = [], timings = {} } = records.get(name) ?? {};
    return { name, leaves: without(leaves ?? {}, common), unstable, timings };
  });
  return [facts, common, ...lines].map((one) => JSON.stringify(one) + "\n")
    .join("");
}

/** Returns what a file's text holds. */
export function decodeRecording(text: string): Recording {
  const [facts = "{}", common = "{}", ...lines] = text.trimEnd().split("\n");
  const records = new Map<string, StableRecord>();
  for (const line of lines) {
    const { name, leaves, ...rest }: CaseLine = JSON.parse(line);
    const all = { ...JSON.parse(common) as Leaves, ...leaves };
    const present = Object.entries(all).filter(([, value]) => value !== null);
    records.set(name, {
      ...rest,
      leaves: Object.fromEntries(present) as Leaves,
    });
  }
  return { facts: JSON.parse(facts) as RecordingFacts, records };
}

/** Returns the leaves that more than half of the records have. */
function findCommon(records: readonly StableRecord[]): Leaves {
  const counts = new Map<string, number>();
  for (const { leaves } of records) {
    for (const leaf of Object.entries(leaves)) {
      const key = JSON.stringify(leaf);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  const frequent = [...counts].filter(([, count]) =>
    2 * count > records.length
  );
  return Object.fromEntries(frequent.map(([key]) => JSON.parse(key)));
}

function without(leaves: Leaves, common: Leaves): CaseLine["leaves"] {
  const absent = Object.keys(common).filter((path) => !(path in leaves));
  const others = Object.entries(leaves).filter(([path, value]) =>
    common[path] !== value
  );
  return Object.fromEntries([
    ...others,
    ...absent.map((path) => [path, null]),
  ]);
}

// SPDX-License-Identifier: Apache-2.0
/** Files of recorded results: a line of JSON about the recording, then a line for each case. */
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

/** Writes a file; cases are sorted by name. */
export async function writeRecording(
  path: string,
  { facts, records }: Recording,
): Promise<void> {
  const names = [...records.keys()].sort();
  const lines = names.map((name) =>
    JSON.stringify({ name, ...records.get(name) })
  );
  await Deno.writeTextFile(
    path,
    [JSON.stringify(facts), ...lines, ""].join("\n"),
  );
}

/** Reads a file that {@linkcode writeRecording} wrote. */
export async function readRecording(path: string): Promise<Recording> {
  const [first = "{}", ...lines] = (await Deno.readTextFile(path)).trimEnd()
    .split("\n");
  const records = new Map<string, StableRecord>();
  for (const line of lines) {
    const { name, ...record } = JSON.parse(line) as
      & StableRecord
      & { name: string };
    records.set(name, record);
  }
  return { facts: JSON.parse(first) as RecordingFacts, records };
}

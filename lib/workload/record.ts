// SPDX-License-Identifier: Apache-2.0
/** What the device remembers of one pod: its spec, what shall become of it, and how its containers ended for good. */
import {
  AranyaError,
  concatBytes,
  fromHex,
  fromUtf8,
  toHex,
  utf8,
} from "../base/mod.ts";
import {
  create,
  fromBinary,
  type PodSpec,
  PodSpecSchema,
  type PodStatus,
  PodStatusSchema,
  type Terminated,
  TerminatedSchema,
  toBinary,
} from "../wire/mod.ts";

/** See the file's head. Kept durably; it changes only when something is decided or has ended, never periodically. */
export interface PodRecord {
  spec: PodSpec;
  /** "gone": every container is dead; the record stays as a tombstone until the object is. */
  goal: "run" | "leave" | "remove" | "gone" | "forget";
  /** Grace of the removal. */
  graceSeconds: number;
  /** When the agent first saw the pod, for users. */
  firstSeenUnixMs: number;
  /** The pod as a whole can't go on. */
  failure?: { reason: string; message: string } | undefined;
  /** By container: how it ended, once it won't be started again; kept because the engine may be pruned by others. */
  settled: Map<string, Terminated>;
  /** Restarts of the settled ones. */
  restarts: Map<string, number>;
  /** Of a pod that is gone. */
  lastStatus?: PodStatus | undefined;
}

/** The part of a record that is JSON: `<4 bytes length, big endian><JSON><PodSpec>`. */
interface RecordHead {
  version: 1;
  goal: PodRecord["goal"];
  graceSeconds: number;
  firstSeenUnixMs: number;
  failure?: { reason: string; message: string };
  settled: Record<string, string>;
  restarts: Record<string, number>;
  lastStatus?: string;
}

const LENGTH_BYTES = 4;

/** A new record of a pod that shall run. */
export function createRecord(
  spec: PodSpec,
  options: { firstSeenUnixMs: number; goal?: PodRecord["goal"] },
): PodRecord {
  return {
    spec,
    goal: options.goal ?? "run",
    graceSeconds: 0,
    firstSeenUnixMs: options.firstSeenUnixMs,
    settled: new Map(),
    restarts: new Map(),
  };
}

/** Bytes for the state directory. */
export function encodeRecord(record: PodRecord): Uint8Array {
  const head: RecordHead = {
    version: 1,
    goal: record.goal,
    graceSeconds: record.graceSeconds,
    firstSeenUnixMs: record.firstSeenUnixMs,
    ...(record.failure && { failure: record.failure }),
    settled: Object.fromEntries(
      [...record.settled].map(([name, ended]) => [
        name,
        toHex(toBinary(TerminatedSchema, ended)),
      ]),
    ),
    restarts: Object.fromEntries(record.restarts),
    ...(record.lastStatus && {
      lastStatus: toHex(toBinary(PodStatusSchema, record.lastStatus)),
    }),
  };
  const json = utf8(JSON.stringify(head));
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, json.length);
  return concatBytes([length, json, toBinary(PodSpecSchema, record.spec)]);
}

/** The record of these bytes. @throws {AranyaError} code "invalid" when a later version wrote them, or something else */
export function decodeRecord(bytes: Uint8Array): PodRecord {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const specAt = LENGTH_BYTES + view.getUint32(0);
    const head = JSON.parse(
      fromUtf8(bytes.subarray(LENGTH_BYTES, specAt)),
    ) as RecordHead;
    if (head.version !== 1) {
      throw new TypeError(`it has version ${head.version}`);
    }
    return {
      spec: fromBinary(PodSpecSchema, bytes.subarray(specAt)),
      goal: head.goal,
      graceSeconds: head.graceSeconds,
      firstSeenUnixMs: head.firstSeenUnixMs,
      failure: head.failure,
      settled: new Map(
        Object.entries(head.settled).map(([name, ended]) => [
          name,
          fromBinary(TerminatedSchema, fromHex(ended)),
        ]),
      ),
      restarts: new Map(Object.entries(head.restarts)),
      lastStatus: head.lastStatus === undefined
        ? undefined
        : fromBinary(PodStatusSchema, fromHex(head.lastStatus)),
    };
  } catch (error) {
    throw new AranyaError(
      "invalid",
      "Cannot read pod record: it was written by another version",
      { cause: error },
    );
  }
}

/** A spec that says only which pod it is: of a pod that is known from the engine, or from a command, alone. */
export function bareSpec(
  pod: { uid: string; namespace: string; name: string },
): PodSpec {
  return create(PodSpecSchema, pod);
}

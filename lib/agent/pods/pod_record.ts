// SPDX-License-Identifier: Apache-2.0
/** The durable record of one pod, and its encoding in the state directory. */
import {
  AranyaError,
  concatBytes,
  defined,
  fromHex,
  fromUtf8,
  toHex,
  utf8,
} from "../../shared/base/mod.ts";
import {
  create,
  decodeMessage,
  encodeMessage,
  type PodSpec,
  PodSpecSchema,
  type PodStatus,
  PodStatusSchema,
  type Terminated,
  TerminatedSchema,
} from "../../shared/wire/mod.ts";
import type { RuntimePod } from "../runtime/mod.ts";

/**
 * What the agent works towards for one pod:
 *
 * - `run`: the containers run as the spec asks
 * - `unmanaged`: found on the engine without a record; reported to the operator, otherwise left
 *   alone
 * - `remove`: the containers are stopped and kept
 * - `terminated`: the containers were stopped; the record stays until the Pod object is deleted
 * - `purge`: the Pod object is deleted; containers, volumes and the record are removed
 */
export type RecordGoal =
  | "run"
  | "unmanaged"
  | "remove"
  | "terminated"
  | "purge";

/** Why a pod as a whole has failed. Its keys are an on-disk format: do not rename them. */
export interface PodFailure {
  /** As a kubelet names it, e.g. Evicted or DeadlineExceeded. */
  reason: string;
  /** For people to read. */
  message: string;
  /** Whether it had to end for the sake of the device: condition DisruptionTarget. */
  isDisruption?: true;
}

/**
 * What the agent keeps of one pod across restarts. It is written when a decision was made or a
 * container has completed, never periodically, to spare flash storage.
 */
export interface PodRecord {
  /** Spec that was applied last. */
  spec: PodSpec;
  goal: RecordGoal;
  /** Grace period of the removal; 0 before a removal was requested. */
  graceSeconds: number;
  /** When the agent learned of the pod, in milliseconds since 1970; for the status. */
  firstSeenUnixMs: number;
  /**
   * How long agents have run since then, for activeDeadlineSeconds. Kept up to date for pods with
   * such a deadline only.
   */
  activeMs: number;
  /** Why the pod as a whole has failed, e.g. Evicted or DeadlineExceeded. */
  failure?: PodFailure | undefined;
  /**
   * How each completed container ended, by container name. A container is completed when its
   * restart policy allows no further start. Kept here because the engine may be pruned by others.
   */
  completed: Map<string, Terminated>;
  /** Restart counts of the completed containers, by container name. */
  restartCounts: Map<string, number>;
  /** Final status of a terminated pod. */
  lastStatus?: PodStatus | undefined;
}

/**
 * JSON part of an encoded record. Its keys and values are an on-disk format: do not rename them.
 */
interface EncodedHead {
  version: 1;
  goal: string;
  graceSeconds: number;
  firstSeenUnixMs: number;
  failure?: PodFailure;
  /** `Terminated` messages in hexadecimal, by container name. */
  settled: Record<string, string>;
  restarts: Record<string, number>;
  /** A `PodStatus` message in hexadecimal. */
  lastStatus?: string;
  /** Absent: 0. */
  activeMs?: number;
}

const VERSION = 1;
const LENGTH_BYTES = 4;
/** Goals as they are stored on disk. */
const ENCODED_GOALS: Readonly<Record<RecordGoal, string>> = {
  run: "run",
  unmanaged: "leave",
  remove: "remove",
  terminated: "gone",
  purge: "forget",
};
const GOALS = new Map(
  Object.entries(ENCODED_GOALS).map((
    [goal, encoded],
  ) => [encoded, goal as RecordGoal]),
);

/** Options of {@linkcode createPodRecord}. */
export interface CreatePodRecordOptions {
  /** When the agent learned of the pod, in milliseconds since 1970. */
  firstSeenUnixMs: number;
  /** @default "run" */
  goal?: RecordGoal;
  /** @default 0 */
  graceSeconds?: number;
}

/** Creates the record of a pod of which nothing has run yet. */
export function createPodRecord(
  spec: PodSpec,
  options: CreatePodRecordOptions,
): PodRecord {
  return {
    spec,
    goal: options.goal ?? "run",
    graceSeconds: options.graceSeconds ?? 0,
    firstSeenUnixMs: options.firstSeenUnixMs,
    activeMs: 0,
    completed: new Map(),
    restartCounts: new Map(),
  };
}

/**
 * Returns what the engine alone knows of a pod's spec: its identity, and the name and image of each
 * container. `specHash` is empty, so that the operator applies the real spec.
 */
export function toUnmanagedSpec(pod: RuntimePod): PodSpec {
  // A Map keeps one entry a name: restarts leave several containers of the same name.
  const namesAndImages = (kind: "init" | "app") => [
    ...new Map(
      pod.containers.filter((container) => container.kind === kind).map(
        ({ name, image }) => [name, { name, image }],
      ),
    ).values(),
  ];
  return create(PodSpecSchema, {
    uid: pod.uid,
    namespace: pod.namespace,
    name: pod.name,
    initContainers: namesAndImages("init"),
    containers: namesAndImages("app"),
  });
}

/**
 * Encodes a record for the state directory:
 *
 * ```
 * +------------------------+------+--------------------+
 * | length of JSON, u32 BE | JSON | PodSpec (protobuf) |
 * +------------------------+------+--------------------+
 * ```
 */
export function encodePodRecord(record: PodRecord): Uint8Array {
  const { failure, lastStatus } = record;
  const head: EncodedHead = {
    version: VERSION,
    goal: ENCODED_GOALS[record.goal],
    graceSeconds: record.graceSeconds,
    firstSeenUnixMs: record.firstSeenUnixMs,
    ...defined({ failure }),
    settled: Object.fromEntries(
      [...record.completed].map(([name, terminated]) => [
        name,
        toHex(encodeMessage(TerminatedSchema, terminated)),
      ]),
    ),
    restarts: Object.fromEntries(record.restartCounts),
    ...defined({
      lastStatus: lastStatus &&
        toHex(encodeMessage(PodStatusSchema, lastStatus)),
      activeMs: Math.trunc(record.activeMs) || undefined,
    }),
  };
  const json = utf8(JSON.stringify(head));
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, json.length);
  return concatBytes([length, json, encodeMessage(PodSpecSchema, record.spec)]);
}

/**
 * Decodes what {@linkcode encodePodRecord} returned.
 * @throws {AranyaError} code "invalid" when the bytes are no record, or one of a later version
 */
export function decodePodRecord(bytes: Uint8Array): PodRecord {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const specOffset = LENGTH_BYTES + view.getUint32(0);
    const head = JSON.parse(
      fromUtf8(bytes.subarray(LENGTH_BYTES, specOffset)),
    ) as EncodedHead;
    const goal = GOALS.get(head.goal);
    if (head.version !== VERSION || goal === undefined) {
      throw new TypeError(`version ${head.version}, goal ${head.goal}`);
    }
    return {
      spec: decodeMessage(PodSpecSchema, bytes.subarray(specOffset)),
      goal,
      graceSeconds: head.graceSeconds,
      firstSeenUnixMs: head.firstSeenUnixMs,
      activeMs: head.activeMs ?? 0,
      failure: head.failure,
      completed: new Map(
        Object.entries(head.settled).map(([name, hex]) => [
          name,
          decodeMessage(TerminatedSchema, fromHex(hex)),
        ]),
      ),
      restartCounts: new Map(Object.entries(head.restarts)),
      lastStatus: head.lastStatus === undefined
        ? undefined
        : decodeMessage(PodStatusSchema, fromHex(head.lastStatus)),
    };
  } catch (error) {
    throw new AranyaError(
      "invalid",
      "Cannot decode pod record: unknown format or version",
      { cause: error },
    );
  }
}

// SPDX-License-Identifier: Apache-2.0
/**
 * What is kept and what is told of one pod: the durable record (spec, what shall become of it, how its containers ended for good), and the
 * status for the operator, which derives phase and conditions from it.
 */
import {
  AranyaError,
  concatBytes,
  fromHex,
  fromUtf8,
  toHex,
  utf8,
} from "../../shared/base/mod.ts";
import {
  type ContainerState,
  ContainerStateSchema,
  type ContainerStatus,
  ContainerStatusSchema,
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
import type { ContainerView, Instance, Plan, PodView } from "./plan_input.ts";

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
        toHex(encodeMessage(TerminatedSchema, ended)),
      ]),
    ),
    restarts: Object.fromEntries(record.restarts),
    ...(record.lastStatus && {
      lastStatus: toHex(encodeMessage(PodStatusSchema, record.lastStatus)),
    }),
  };
  const json = utf8(JSON.stringify(head));
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, json.length);
  return concatBytes([length, json, encodeMessage(PodSpecSchema, record.spec)]);
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
      spec: decodeMessage(PodSpecSchema, bytes.subarray(specAt)),
      goal: head.goal,
      graceSeconds: head.graceSeconds,
      firstSeenUnixMs: head.firstSeenUnixMs,
      failure: head.failure,
      settled: new Map(
        Object.entries(head.settled).map(([name, ended]) => [
          name,
          decodeMessage(TerminatedSchema, fromHex(ended)),
        ]),
      ),
      restarts: new Map(Object.entries(head.restarts)),
      lastStatus: head.lastStatus === undefined
        ? undefined
        : decodeMessage(PodStatusSchema, fromHex(head.lastStatus)),
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

/** Exit code that the engine gives to what could not be started. */
const START_ERROR_CODE = 128;

/** Options of {@linkcode toPodStatus}. */
export interface ToPodStatusOptions {
  view: PodView;
  plan: Plan;
  record: PodRecord;
  podIps: readonly string[];
  hostIps: readonly string[];
  /** Containers whose living instance is ready. */
  ready: ReadonlySet<string>;
  /** Termination messages by instance id. */
  messages: ReadonlyMap<string, string>;
}

/** The status but for its version. */
export function toPodStatus(options: ToPodStatusOptions): PodStatus {
  const { view, plan, record } = options;
  const { spec, goal } = view;
  const toStatus = (container: ContainerView) =>
    toContainerStatus(container, options);
  const ips = spec.hostNetwork ? options.hostIps : options.podIps;
  return create(PodStatusSchema, {
    uid: spec.uid,
    namespace: spec.namespace,
    name: spec.name,
    specHash: spec.specHash,
    initContainers: view.containers.filter(({ role }) => role !== "app")
      .map(toStatus),
    containers: view.containers.filter(({ role }) => role === "app")
      .map(toStatus),
    podIps: view.sandbox.kind === "ready" ? [...ips] : [],
    hostIps: [...options.hostIps],
    sandboxReady: view.sandbox.kind === "ready",
    removing: goal.kind === "remove" || goal.kind === "forget",
    terminated: goal.kind === "remove" && plan.ended,
    startedUnixMs: BigInt(record.firstSeenUnixMs),
    failureReason: record.failure?.reason ?? "",
    failureMessage: record.failure?.message ?? "",
  });
}

function toContainerStatus(
  view: ContainerView,
  options: ToPodStatusOptions,
): ContainerStatus {
  const { record, messages, ready } = options;
  const { name } = view.spec;
  const shown = view.instances.filter(({ state }) => state !== "created");
  const [newest, former] = shown;
  const ended = (instance: Instance | undefined) =>
    instance?.state === "exited"
      ? toTerminated(instance, messages.get(instance.id) ?? "")
      : undefined;
  const waiting = options.plan.waiting.get(name);
  const settled = newest ? undefined : record.settled.get(name);
  const living = newest?.state === "running";
  // A container that waits for its next start has its newest end in `last`; else that one is the state, and `last` the one before.
  const last = newest && waiting && !living ? ended(newest) : ended(former);
  return create(ContainerStatusSchema, {
    name,
    state: toState({ newest, waiting, settled, ended }),
    ...(last && { lastTerminated: terminatedState(last) }),
    restartCount: newest?.attempt ?? record.restarts.get(name) ?? 0,
    containerId: newest ? `docker://${newest.id}` : settled?.containerId ?? "",
    image: view.spec.image,
    imageId: newest?.raw.imageId ?? "",
    ready: isReady(view, { living, ready: ready.has(name), newest }),
    started: living && view.started,
  });
}

/** An init container is ready once it has succeeded; the others by their probe. */
function isReady(
  view: ContainerView,
  seen: { living: boolean; ready: boolean; newest: Instance | undefined },
): boolean {
  if (view.role === "init") {
    return seen.newest?.state === "exited" && seen.newest.exitCode === 0;
  }
  return seen.living && view.started && seen.ready;
}

function toState(
  parts: {
    newest: Instance | undefined;
    waiting: { reason: string; message: string } | undefined;
    settled: Terminated | undefined;
    ended: (instance: Instance | undefined) => Terminated | undefined;
  },
): ContainerState {
  const { newest, waiting, settled, ended } = parts;
  if (newest?.state === "running") {
    return create(ContainerStateSchema, {
      state: {
        case: "running",
        value: { startedUnixMs: BigInt(newest.raw.startedUnixMs) },
      },
    });
  }
  const end = settled ?? (waiting ? undefined : ended(newest));
  if (end) return terminatedState(end);
  return create(ContainerStateSchema, {
    state: {
      case: "waiting",
      value: waiting ?? { reason: "ContainerCreating", message: "" },
    },
  });
}

function terminatedState(value: Terminated): ContainerState {
  return create(ContainerStateSchema, { state: { case: "terminated", value } });
}

/** How one instance ended, with the kubelet's reasons. */
export function toTerminated(instance: Instance, message: string): Terminated {
  const { raw } = instance;
  const notStarted = raw.error !== "" && instance.exitCode === START_ERROR_CODE;
  return create(TerminatedSchema, {
    exitCode: instance.exitCode,
    reason: raw.oomKilled
      ? "OOMKilled"
      : notStarted
      ? "StartError"
      : instance.exitCode === 0
      ? "Completed"
      : "Error",
    message: message || raw.error,
    startedUnixMs: BigInt(Math.trunc(raw.startedUnixMs)),
    finishedUnixMs: BigInt(Math.trunc(raw.finishedUnixMs)),
    containerId: `docker://${instance.id}`,
  });
}

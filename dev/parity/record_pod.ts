// SPDX-License-Identifier: Apache-2.0
/** Runs one case on one node, through the API alone, and records what a user could observe. */
import type { RunResult } from "../base/run.ts";
import { pause, until } from "../base/wait.ts";
import type { Kubectl } from "../world/mod.ts";
import { flatten, type Leaves } from "./flatten.ts";
import { describeMilestone, isPassing, isReached } from "./milestones.ts";
import type { NamespaceWatch, ParityObservation } from "./namespace_watch.ts";
import { normalizeText } from "./normalize.ts";
import {
  containersOf,
  describeState,
  type ObservedEvent,
  type ObservedPod,
} from "./observed_objects.ts";
import { NODE_LABEL, type ParityNode } from "./parity_world.ts";
import {
  type CaseObject,
  type PodCase,
  type PodStep,
  READY,
} from "./pod_case.ts";

/** What was observed of one case on one node. */
export interface ParityRecord {
  /** Everything but durations, normalized. */
  leaves: Leaves;
  /** Durations in milliseconds. */
  timings: Record<string, number>;
}

/** Where a case runs. */
export interface RecordContext {
  kubectl: Kubectl;
  node: ParityNode;
  watch: NamespaceWatch;
}

const MILESTONE_TIMEOUT_MS = 60_000;
const DELETION_TIMEOUT_MS = 90_000;
const COMMAND_TIMEOUT_MS = 40_000;
/** A pod without a change for this long is at rest. */
const QUIET_MS = 2500;
/** Longest wait for a pod to be at rest. */
const SETTLE_MS = 12_000;
/** Of pods that name none: short, since most of them ignore SIGTERM. */
const GRACE_SECONDS = 1;

/** Runs a case to its end and returns its record. */
export async function recordPod(
  entry: PodCase,
  context: RecordContext,
): Promise<ParityRecord> {
  return await new PodRecorder(entry, context).run();
}

class PodRecorder {
  readonly #case: PodCase;
  readonly #context: RecordContext;
  readonly #seen: ParityObservation;
  readonly #leaves: Leaves = {};
  readonly #timings: Record<string, number> = {};
  #startMs = 0;
  #removedAtMs: number | undefined;
  /** How many versions there were when the last milestone was reached, if it passes. */
  #passedVersionCount: number | undefined;

  constructor(entry: PodCase, context: RecordContext) {
    this.#case = entry;
    this.#context = context;
    this.#seen = context.watch.observe(entry.name);
  }

  async run(): Promise<ParityRecord> {
    if (await this.#create()) {
      for (const step of this.#case.steps ?? [READY]) await this.#take(step);
      await this.#remove([]);
      await this.#untilDeleted();
      this.#recordOrder();
      this.#recordDeletion();
      this.#recordEvents();
      await this.#removeApplied();
    }
    return {
      leaves: normalizeLeaves(this.#leaves, {
        node: this.#context.node.name,
        namespace: this.#context.node.namespace,
      }),
      timings: this.#timings,
    };
  }

  /** Returns whether the API server accepted the pod. */
  async #create(): Promise<boolean> {
    await this.#apply(this.#case.objects ?? []);
    const result = await this.#kubectl(["create", "-f", "-"], {
      stdin: JSON.stringify(toPod(this.#case, this.#context.node)),
    });
    this.#startMs = performance.now();
    if (result.code !== 0) this.#put("create", result.stderr.trim());
    return result.code === 0;
  }

  async #take(step: PodStep): Promise<void> {
    if ("until" in step) {
      const { until: milestone, timeoutMs = MILESTONE_TIMEOUT_MS } = step;
      await this.#until(describeMilestone(milestone), {
        timeoutMs,
        check: () => isReached(milestone, this.#seen),
      });
      this.#passedVersionCount = isPassing(milestone)
        ? this.#seen.versions.length
        : undefined;
    } else if ("untilExec" in step) {
      const { untilExec, shows, timeoutMs = MILESTONE_TIMEOUT_MS } = step;
      await this.#until(`${untilExec.join(" ")} shows ${shows}`, {
        timeoutMs,
        intervalMs: 1000,
        check: async () =>
          (await this.#exec(untilExec, {})).stdout.includes(shows),
      });
    } else if ("exec" in step) {
      this.#putResult(`exec.${step.as}`, await this.#exec(step.exec, step));
    } else if ("logs" in step) {
      this.#putResult(
        `logs.${step.as}`,
        await this.#kubectl(["logs", this.#case.name, ...step.logs]),
      );
    } else if ("snapshot" in step) {
      await this.#settle();
      this.#putStatus(`snapshot.${step.as}`);
    } else if ("patch" in step) await this.#patch(step);
    else if ("apply" in step) await this.#apply(step.apply);
    else await this.#remove(step.remove);
  }

  async #until(
    what: string,
    options: {
      timeoutMs: number;
      intervalMs?: number;
      check: () => boolean | Promise<boolean>;
    },
  ): Promise<void> {
    const startMs = performance.now();
    const reached = await until(options.check, { what, ...options }).then(
      () => true,
      () => false,
    );
    this.#put(`reached.${what}`, reached);
    if (reached) this.#timings[what] = Math.round(performance.now() - startMs);
  }

  #exec(
    command: string[],
    options: { flags?: string[]; stdin?: string },
  ): Promise<RunResult> {
    const { flags = [], stdin } = options;
    return this.#kubectl(
      ["exec", ...flags, this.#case.name, "--", ...command],
      stdin === undefined ? {} : { stdin },
    );
  }

  async #patch(
    step: { patch: object; subresource?: string },
  ): Promise<void> {
    const { patch, subresource } = step;
    const result = await this.#kubectl([
      ...["patch", "pod", this.#case.name, "-p", JSON.stringify(patch)],
      ...subresource ? ["--subresource", subresource] : [],
    ]);
    if (result.code !== 0) this.#put("patch", result.stderr.trim());
  }

  async #apply(objects: readonly CaseObject[]): Promise<void> {
    if (objects.length === 0) return;
    const items = objects.map((one) => ({ apiVersion: "v1", ...one }));
    const result = await this.#kubectl(
      ["apply", "--server-side", "--force-conflicts", "-f", "-"],
      { stdin: JSON.stringify({ apiVersion: "v1", kind: "List", items }) },
    );
    if (result.code !== 0) this.#put("apply", result.stderr.trim());
  }

  /** Deletes what the steps have applied, so that the next run begins without it. */
  async #removeApplied(): Promise<void> {
    for (const step of this.#case.steps ?? []) {
      if (!("apply" in step)) continue;
      for (const { kind, metadata: { name } } of step.apply) {
        await this.#kubectl(["delete", kind, name, "--ignore-not-found"]);
      }
    }
  }

  /** Records the status and deletes the pod, the first time that it is called. */
  async #remove(flags: string[]): Promise<void> {
    if (this.#removedAtMs !== undefined) return;
    if (this.#passedVersionCount === undefined) await this.#settle();
    this.#putStatus("status");
    this.#removedAtMs = performance.now();
    await this.#kubectl([
      ...["delete", "pod", this.#case.name, "--wait=false"],
      ...flags,
    ]);
  }

  async #untilDeleted(): Promise<void> {
    const deleted = await until(() => this.#seen.deletedAtMs !== undefined, {
      what: "deletion",
      timeoutMs: DELETION_TIMEOUT_MS,
    }).then(() => true, () => false);
    this.#put("deletion.completed", deleted);
    if (!deleted) {
      await this.#kubectl([
        ...["delete", "pod", this.#case.name, "--wait=false"],
        ...["--grace-period=0", "--force"],
      ]);
    }
    await this.#settle();
    const { deletedAtMs } = this.#seen;
    if (deletedAtMs !== undefined && this.#removedAtMs !== undefined) {
      this.#timings["deletion"] = Math.round(deletedAtMs - this.#removedAtMs);
    }
  }

  /** Waits until nothing has changed for a while. */
  async #settle(): Promise<void> {
    const endMs = performance.now() + SETTLE_MS;
    const startMs = performance.now();
    while (performance.now() < endMs) {
      const sinceMs = Math.max(this.#seen.changedAtMs, startMs);
      const restMs = sinceMs + QUIET_MS - performance.now();
      if (restMs <= 0) return;
      await pause(restMs);
    }
  }

  #putStatus(path: string): void {
    const { pod, versions } = this.#seen;
    const shown = this.#passedVersionCount === undefined
      ? pod
      : versions[this.#passedVersionCount - 1];
    Object.assign(this.#leaves, flatten(shown?.status ?? {}, path));
  }

  /** Records the states in the order in which they were observed, each topic on its own. */
  #recordOrder(): void {
    const { versions } = this.#seen;
    const isLiving = (pod: ObservedPod) => !pod.metadata.deletionTimestamp;
    const living = versions.filter(isLiving);
    const before = this.#passedVersionCount ?? living.length;
    this.#putOrder("order", listStates(living.slice(0, before)));
    const atDeletion = listStates(living.slice(-1));
    const ending = listStates(versions.slice(Math.max(0, living.length - 1)));
    for (const [topic, [first]] of atDeletion) {
      const states = ending.get(topic) ?? [];
      if (states[0] === first) states.shift();
      if (states.length === 0) ending.delete(topic);
    }
    this.#putOrder("deletion.order", ending);
  }

  #putOrder(path: string, topics: Map<string, string[]>): void {
    for (const [topic, states] of topics) {
      this.#put(`${path}.${topic}`, states.join(" > "));
    }
  }

  /** Records the last status that was observed before the object was deleted. */
  #recordDeletion(): void {
    const { status = {} } = this.#seen.pod ?? {};
    const { phase, reason, message, observedGeneration } = status;
    const states = (this.#seen.pod ? containersOf(this.#seen.pod) : []).map(
      ({ name, state }) => ({ name, ...state }),
    );
    const conditions = status.conditions?.map((one) => ({
      ...one,
      lastTransitionTime: undefined,
    }));
    Object.assign(
      this.#leaves,
      flatten(
        { phase, reason, message, observedGeneration, states, conditions },
        "deletion",
      ),
    );
  }

  #recordEvents(): void {
    const events = [...this.#seen.events.values()].filter((event) =>
      event.involvedObject?.uid === this.#seen.pod?.metadata.uid &&
      !event.message?.includes(CANCELED)
    );
    const titles: string[] = [];
    for (const [title, group] of Map.groupBy(events, titleOf)) {
      titles.push(title);
      const joined = joinEqual(group, this.#context.node);
      joined.forEach((event, index) =>
        this.#putEvent(
          `events.${title}${index > 0 ? ` #${index + 1}` : ""}`,
          event,
        )
      );
    }
    this.#put("events order", titles.join(" > "));
  }

  #putEvent(path: string, event: ObservedEvent): void {
    this.#put(`${path}.type`, event.type ?? "");
    this.#put(`${path}.message`, event.message ?? "");
    const count = event.count ?? 0;
    const isRepeated = count > 1 && (this.#passedVersionCount !== undefined ||
      REPEATED_REASONS.includes(event.reason ?? ""));
    this.#put(`${path}.count`, isRepeated ? "several" : count);
    const { component = "", host = "" } = event.source ?? {};
    const { reportingComponent = "", reportingInstance = "" } = event;
    this.#put(
      `${path}.from`,
      [component, host, reportingComponent, reportingInstance].join(),
    );
  }

  #putResult(path: string, result: RunResult): void {
    this.#put(`${path}.code`, result.code);
    this.#put(`${path}.stdout`, shorten(result.stdout));
    this.#put(`${path}.stderr`, shorten(result.stderr));
  }

  #put(path: string, value: Leaves[string]): void {
    this.#leaves[path] = value;
  }

  #kubectl(
    args: string[],
    options: { stdin?: string } = {},
  ): Promise<RunResult> {
    const { kubectl, node } = this.#context;
    return kubectl.tryRun(["--namespace", node.namespace, ...args], {
      ...options,
      timeoutMs: COMMAND_TIMEOUT_MS,
    }).catch((error) => ({
      code: -1,
      stdout: "",
      stderr: error.code === "timed_out" ? "timed out" : String(error),
      stdoutBytes: new Uint8Array(),
    }));
  }
}

/** Of probes that a pod's deletion ends; whether one runs at that moment is chance. */
const CANCELED = "context canceled";

/** Reasons of Events whose count grows with time. */
const REPEATED_REASONS = [
  "BackOff",
  "DeadlineExceeded",
  "ErrImageNeverPull",
  "Failed",
  "FailedMount",
  "FailedPostStartHook",
  "FailedToRetrieveImagePullSecret",
  "InspectFailed",
  "Pulling",
  "Unhealthy",
];

/** Longer outputs are recorded by their beginning and length. */
const OUTPUT_CHARACTERS = 3000;

function shorten(text: string): string {
  return text.length <= OUTPUT_CHARACTERS
    ? text
    : `${text.slice(0, 300)}… (${text.length} characters)`;
}

/** Returns the states of each topic in the order in which they were observed. */
function listStates(versions: readonly ObservedPod[]): Map<string, string[]> {
  const topics = new Map<string, string[]>();
  const add = (topic: string, state: string) => {
    const states = topics.get(topic) ?? [];
    topics.set(topic, states);
    if (states.at(-1) !== state) states.push(state);
  };
  for (const pod of versions) {
    const { phase = "", reason, conditions = [] } = pod.status ?? {};
    add("phase", reason ? `${phase}(${reason})` : phase);
    for (const { type, status, reason: why } of conditions) {
      add(`condition ${type}`, why ? `${status}(${why})` : status);
    }
    for (const container of containersOf(pod)) {
      add(`container ${container.name}`, describeState(container));
    }
  }
  return topics;
}

/**
 * Returns Events with one for each message, sorted by it. A message with an ID makes an Event of
 * its own each time.
 */
function joinEqual(events: ObservedEvent[], node: ParityNode): ObservedEvent[] {
  const names = { node: node.name, namespace: node.namespace };
  const byMessage = new Map<string, ObservedEvent>();
  for (const event of events) {
    const message = normalizeText(event.message ?? "", names);
    const count = (byMessage.get(message)?.count ?? 0) + (event.count ?? 1);
    byMessage.set(message, { ...event, message, count });
  }
  return [...byMessage.keys()].sort().map((message) =>
    byMessage.get(message) as ObservedEvent
  );
}

function titleOf({ reason = "", involvedObject }: ObservedEvent): string {
  const fieldPath = involvedObject?.fieldPath;
  return fieldPath ? `${reason} of ${fieldPath}` : reason;
}

/** Returns the Pod of a case for one node. */
function toPod(entry: PodCase, node: ParityNode): object {
  const { name, metadata, spec, placement = "bound" } = entry;
  const { nodeSelector, tolerations = [], ...rest } = spec as Record<
    string,
    unknown
  >;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...metadata },
    spec: {
      terminationGracePeriodSeconds: GRACE_SECONDS,
      ...rest,
      tolerations: [
        ...tolerations as object[],
        { key: "arhat.dev/namespace", operator: "Exists" },
      ],
      ...placement === "bound"
        ? { nodeName: node.name, ...nodeSelector ? { nodeSelector } : {} }
        : { nodeSelector: { [NODE_LABEL]: node.name } },
    },
  };
}

/** What a kubelet on cgroups of version 1 reads where no limit is set. */
const NO_LIMIT = "9007199254740988Ki";

function normalizeLeaves(
  leaves: Leaves,
  names: { node: string; namespace: string },
): Leaves {
  const result: Leaves = {};
  for (const [path, value] of Object.entries(leaves)) {
    if (value === NO_LIMIT) continue;
    result[normalizeText(path, names)] = typeof value === "string"
      ? normalizeText(value, names)
      : value;
  }
  return result;
}

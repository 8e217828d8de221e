// SPDX-License-Identifier: Apache-2.0
/** Carrying one action of a plan out, with its failures remembered for the next plan. Nothing in here rejects. */
import {
  asAranyaError,
  type Logger,
  withDeadline,
} from "../../shared/base/mod.ts";
import type { Handler } from "../../shared/wire/mod.ts";
import { type Action, MIN_GRACE_MS } from "./plan_input.ts";
import { type HandlerResult, runHandler } from "./lifecycle_handler.ts";
import type { PodMemory } from "./pod_state.ts";
import { startContainer } from "./start.ts";
import type { WorkerSurroundings } from "./context.ts";

const SANDBOX_TIMEOUT_MS = 120_000;
const FORGET_RETRY_MS = 5_000;
const REMOVE_RETRY_MS = 5_000;

/** An action on its way. */
export interface RunningAction {
  /** As asked for; `stopByMs` of a stop follows `hurry`. */
  readonly action: Action;
  /** Resolves, never rejects, at its end. */
  readonly done: Promise<void>;
  /** Gives it up. */
  abort(): void;
  /** Of a stop: has it end by an earlier time. */
  hurry?(stopByMs: number): void;
}

/** Options of {@linkcode carryOut}. */
export interface CarryOutOptions {
  around: WorkerSurroundings;
  memory: PodMemory;
  log: Logger;
}

interface Running extends CarryOutOptions {
  signal: AbortSignal;
}

/** Begins. */
export function carryOut(
  action: Action,
  options: CarryOutOptions,
): RunningAction {
  const controller = new AbortController();
  const { signal } = controller;
  const abort = () =>
    controller.abort(new DOMException("given up", "AbortError"));
  const guarded = (work: Promise<void>): Promise<void> =>
    work.catch((error) => {
      if (signal.aborted) return;
      options.log.warn("action on a pod failed", {
        cmd: action.kind,
        ...("name" in action && { container: action.name }),
        error: asAranyaError(error, `Cannot ${action.kind}`),
      });
    });
  if (action.kind === "stop") {
    const stop = new Stop(action, { ...options, signal });
    return {
      action: stop.action,
      done: guarded(stop.run()),
      abort,
      hurry: (stopByMs) => stop.hurry(stopByMs),
    };
  }
  return { action, done: guarded(run(action, { ...options, signal })), abort };
}

async function run(
  action: Exclude<Action, { kind: "stop" }>,
  running: Running,
): Promise<void> {
  const { around, memory, signal } = running;
  switch (action.kind) {
    case "prepareVolumes":
      return await prepareVolumes(running);
    case "ensureSandbox":
      return await ensureSandbox(running);
    case "start":
      return await start(action, running);
    case "failPod":
      return await memory.fail(action);
    case "removeInstance":
      try {
        await around.runtime.removeContainer(action.id);
        await memory.dropInstance(action.name, action.id);
      } catch (error) {
        // Not again at once: the plan would ask for it in a loop.
        await around.clock.sleep(REMOVE_RETRY_MS, { signal });
        throw error;
      }
      return;
    case "forget":
      return await forget(running);
  }
}

async function prepareVolumes(running: Running): Promise<void> {
  const { around, memory, signal } = running;
  const { spec } = memory.record;
  try {
    await around.volumes.prepare(spec, signal);
    memory.volumesReady(spec);
  } catch (error) {
    if (signal.aborted) return;
    const { message, code } = asAranyaError(error, "Cannot set up volumes");
    memory.volumesFailed(message);
    running.log.warn("volumes of a pod could not be set up", { code, error });
    memory.event({
      container: "",
      warning: true,
      reason: "FailedMount",
      message,
    });
  }
}

async function ensureSandbox(
  { around, memory, signal }: Running,
): Promise<void> {
  const { spec } = memory.record;
  const { podCidr, dns } = around.settings();
  try {
    await withDeadline(
      (signal) =>
        around.runtime.ensureSandbox({
          podUid: spec.uid,
          namespace: spec.namespace,
          name: spec.name,
          hostname: spec.hostname || spec.name,
          hostNetwork: spec.hostNetwork,
          hostPid: spec.hostPid,
          hostIpc: spec.hostIpc,
          shareProcessNamespace: spec.shareProcessNamespace,
          podCidr,
          dns: spec.dns ?? dns,
          hostAliases: spec.hostAliases,
          sysctls: spec.sysctls,
        }, signal),
      {
        timeoutMs: SANDBOX_TIMEOUT_MS,
        action: "Cannot create pod sandbox",
        signal,
      },
    );
  } catch (error) {
    if (signal.aborted) return;
    const { message, code } = asAranyaError(error, "Cannot create pod sandbox");
    memory.sandboxFailed();
    if (code === "unavailable") return;
    memory.event({
      container: "",
      warning: true,
      reason: "FailedCreatePodSandBox",
      message,
    });
  }
}

async function start(
  action: Action & { kind: "start" },
  running: Running,
): Promise<void> {
  const { around, memory, signal } = running;
  const { name, attempt, backoffLevel } = action;
  const role = memory.roleOf(name);
  const container = memory.containerOf(name);
  if (!role || !container) return;
  const { spec } = memory.record;
  if (backoffLevel > 1) {
    memory.event({
      container: name,
      warning: true,
      reason: "BackOff",
      message:
        `Back-off restarting failed container ${name} in pod ${spec.name}_${spec.namespace}(${spec.uid})`,
    });
  }
  const started = await startContainer({
    spec,
    container,
    role,
    attempt,
    backoffLevel,
    sandboxId: memory.sandboxId,
    fields: { podIps: memory.podIps(), hostIps: around.hostIps() },
    runtime: around.runtime,
    volumes: around.volumes,
    signal,
    onEvent: (event) => memory.event({ container: name, ...event }),
  });
  if (!("id" in started)) {
    return memory.startFailed(name, { attempt, ...started });
  }
  memory.startSucceeded(name, started.id);
  if (!container.postStart) return;
  const result = await hook(container.postStart, {
    ...running,
    containerId: started.id,
  });
  if (result.ok || signal.aborted) return;
  memory.event({
    container: name,
    warning: true,
    reason: "FailedPostStartHook",
    message: `PostStartHook failed: ${result.message}`,
  });
  memory.giveUpInstance(name, started.id);
}

function hook(
  handler: Handler,
  { around, memory, signal, containerId }: Running & { containerId: string },
): Promise<HandlerResult> {
  return runHandler(handler, {
    target: {
      containerId,
      podUid: memory.record.spec.uid,
      podIp: memory.podIps()[0] ?? "127.0.0.1",
    },
    streams: around.runtime,
    clock: around.clock,
    signal,
  });
}

async function forget({ around, memory, log, signal }: Running): Promise<void> {
  const { uid } = memory.record.spec;
  for (;;) {
    try {
      await around.runtime.removeSandbox(uid);
      await around.volumes.remove(uid);
      return await around.drop(uid);
    } catch (error) {
      if (signal.aborted) return;
      log.warn("pod could not be cleaned up", { error });
    }
    await around.clock.sleep(FORGET_RETRY_MS, { signal });
  }
}

/** One container's end: preStop hook, then the engine's stop; both within one time that may be drawn nearer. */
class Stop {
  readonly action: Action & { kind: "stop" };
  readonly #running: Running;
  readonly #hook = new AbortController();
  #hookTimer: ReturnType<typeof setTimeout> | undefined;
  #signalled = false;

  constructor(action: Action & { kind: "stop" }, running: Running) {
    this.action = { ...action };
    this.#running = running;
  }

  async run(): Promise<void> {
    const { around, memory, signal } = this.#running;
    const { name, id, why, what } = this.action;
    memory.event({
      container: name,
      warning: false,
      reason: "Killing",
      message: why === "unhealthy"
        ? `Container ${name} failed ${what}, will be restarted`
        : why === "changed"
        ? `Container ${name} definition changed, will be restarted`
        : `Stopping container ${name}`,
    });
    await this.#preStop();
    signal.throwIfAborted();
    this.#signalled = true;
    await around.runtime.stopContainer(id, {
      graceMs: this.#graceMs(),
      signal,
    });
  }

  hurry(stopByMs: number): void {
    if (stopByMs >= this.action.stopByMs) return;
    this.action.stopByMs = stopByMs;
    if (!this.#signalled) return this.#armHook();
    const { around, signal, log } = this.#running;
    around.runtime.stopContainer(this.action.id, {
      graceMs: this.#graceMs(),
      signal,
    }).catch((error) => {
      if (signal.aborted) return;
      log.warn("a stop could not be shortened", {
        container: this.action.name,
        error,
      });
    });
  }

  #graceMs(): number {
    const leftMs = this.action.stopByMs -
      this.#running.around.clock.monotonicMs();
    return Math.max(MIN_GRACE_MS, leftMs);
  }

  #armHook(): void {
    clearTimeout(this.#hookTimer);
    const leftMs = this.action.stopByMs -
      this.#running.around.clock.monotonicMs();
    this.#hookTimer = setTimeout(
      () => this.#hook.abort(new DOMException("time ran out", "TimeoutError")),
      Math.max(0, leftMs),
    );
  }

  async #preStop(): Promise<void> {
    const { memory, signal } = this.#running;
    const { name, id } = this.action;
    const handler = memory.containerOf(name)?.preStop;
    if (!handler) return;
    this.#armHook();
    try {
      const result = await hook(handler, {
        ...this.#running,
        containerId: id,
        signal: AbortSignal.any([signal, this.#hook.signal]),
      });
      if (result.ok) return;
      memory.event({
        container: name,
        warning: true,
        reason: "FailedPreStopHook",
        message: `PreStopHook failed: ${result.message}`,
      });
    } catch {
      // The hook's time is over, or the agent stops: the caller looks which.
    } finally {
      clearTimeout(this.#hookTimer);
    }
  }
}

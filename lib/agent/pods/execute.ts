// SPDX-License-Identifier: Apache-2.0
/** Executes the actions of a plan. */
import { asAranyaError, hasCode, type Logger } from "../../shared/base/mod.ts";
import { RestartPolicy } from "../../shared/wire/mod.ts";
import type { WorkerContext } from "./context.ts";
import { runHandler } from "./lifecycle_handler.ts";
import type { Action, StartAction, StopAction } from "./plan_builder.ts";
import type { PodState } from "./pod_state.ts";
import { startContainer } from "./start_container.ts";
import { ContainerStop } from "./stop_container.ts";

const PURGE_RETRY_MS = 5_000;
const ACTION_RETRY_MS = 5_000;

/** An action that runs. */
export interface RunningAction {
  /** The action as planned; a stop as the last `update` left it. */
  readonly action: Action;
  /** Resolves when the action has ended. Never rejects. */
  readonly done: Promise<void>;
  /** Aborts the action. It ends when the engine has answered what was begun. */
  abort(): void;
  /** Of a stop only: moves its deadline forward, or lets go of its stop signal. */
  update?(action: StopAction): void;
}

/** Options of {@linkcode executeAction}. */
export interface ExecuteActionOptions {
  context: WorkerContext;
  /** Receives the outcome. */
  state: PodState;
  log: Logger;
}

interface RunActionOptions extends ExecuteActionOptions {
  signal: AbortSignal;
}

/**
 * Starts an action. Failures that the next plan has to know are recorded in `state`; others are
 * logged.
 */
export function executeAction(
  action: Action,
  options: ExecuteActionOptions,
): RunningAction {
  const controller = new AbortController();
  const { signal } = controller;
  const abort = () =>
    controller.abort(new DOMException("the action was aborted", "AbortError"));
  const logFailure = (work: Promise<void>): Promise<void> =>
    work.catch((error) => {
      if (signal.aborted) return;
      options.log.warn("action on a pod failed", {
        cmd: action.kind,
        ...("name" in action && { container: action.name }),
        error: asAranyaError(error, `Cannot ${action.kind}`),
      });
    });
  if (action.kind === "stop") {
    markReplaced(action, options.state);
    const stop = new ContainerStop(action, { ...options, signal });
    return {
      get action() {
        return stop.action;
      },
      done: logFailure(runStop(stop, { ...options, signal })),
      abort,
      update: (action) => stop.update(action),
    };
  }
  return {
    action,
    done: logFailure(runAction(action, { ...options, signal })),
    abort,
  };
}

/**
 * A container that is stopped for its changed image starts again whatever its restart policy, and
 * one that failed a probe whatever its exit code.
 */
function markReplaced(
  { name, id, cause, failedCheck }: StopAction,
  state: PodState,
): void {
  const { restartPolicy } = state.record.spec;
  const isProbe = cause === "unhealthy" && failedCheck !== "postStart hook";
  if (
    cause === "changed" || (isProbe && restartPolicy !== RestartPolicy.NEVER)
  ) state.healthOf(name).markReplaced(id);
}

async function runStop(
  stop: ContainerStop,
  options: RunActionOptions,
): Promise<void> {
  const { state, signal } = options;
  await pauseOnFailure(options, async () => {
    try {
      await stop.run();
    } catch (error) {
      const { name, cause } = stop.action;
      const isPodKilled = cause !== "unhealthy" && cause !== "changed";
      // No Event: an unavailable engine is a condition of the node.
      if (isPodKilled && !signal.aborted && !hasCode(error, "unavailable")) {
        const { message } = asAranyaError(error, "Cannot stop container");
        state.reportEvent({
          container: name,
          warning: true,
          reason: "FailedKillPod",
          message: `error killing pod: ${message}`,
        });
      }
      throw error;
    }
  });
}

async function runAction(
  action: Exclude<Action, { kind: "stop" }>,
  options: RunActionOptions,
): Promise<void> {
  switch (action.kind) {
    case "prepareVolumes":
      return await prepareVolumes(options);
    case "ensureSandbox":
      return await ensureSandbox(options);
    case "start":
      return await start(action, options);
    case "failPod":
      return await options.state.fail(action);
    case "removeInstance":
      return await removeInstance(action, options);
    case "release":
      return await release(options);
    case "purge":
      return await purge(options);
  }
}

async function prepareVolumes(
  { context, state, log, signal }: RunActionOptions,
): Promise<void> {
  const { spec } = state.record;
  try {
    const missing = await context.volumes.prepare(spec, signal);
    // The operator has reported it as an Event.
    const message = missing?.blocked?.message;
    if (message !== undefined) state.recordVolumesBlocked(spec, message);
    else state.recordVolumesReady(spec);
  } catch (error) {
    if (signal.aborted) return;
    const { message, code } = asAranyaError(error, "Cannot set up volumes");
    state.recordVolumesFailure(message);
    log.warn("volumes of a pod can't be set up", { code, error });
    state.reportEvent({
      container: "",
      warning: true,
      reason: "FailedMount",
      message,
    });
  }
}

async function ensureSandbox(
  { context, state, signal }: RunActionOptions,
): Promise<void> {
  const { spec } = state.record;
  const { podCidr, dns } = context.store.settings;
  const action = "Cannot create pod sandbox";
  try {
    await context.runtime.ensureSandbox({
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
    }, signal);
  } catch (error) {
    if (signal.aborted) return;
    state.recordSandboxFailure();
    // No Event: an unavailable engine is a condition of the node.
    if (hasCode(error, "unavailable")) return;
    state.reportEvent({
      container: "",
      warning: true,
      reason: "FailedCreatePodSandBox",
      message: asAranyaError(error, action).message,
    });
  }
}

/** Starts a container and runs its postStart hook. An instance whose hook fails is replaced. */
async function start(
  action: StartAction,
  { context, state, signal }: RunActionOptions,
): Promise<void> {
  const { name, attempt, backoffLevel } = action;
  const container = state.findContainer(name);
  if (!container) return;
  const { spec } = state.record;
  const health = state.healthOf(name);
  // The first restart comes at once, as does a kubelet's.
  if (backoffLevel > 1) {
    state.reportEvent({
      container: name,
      warning: true,
      reason: "BackOff",
      message:
        `Back-off restarting failed container ${name} in pod ${spec.name}_${spec.namespace}(${spec.uid})`,
    });
  }
  const result = await startContainer({
    spec,
    container: container.spec,
    role: container.role,
    attempt,
    backoffLevel,
    sandboxId: state.sandboxId,
    fields: { podIps: state.podIps, hostIps: context.host.addresses },
    runtime: context.runtime,
    volumes: context.volumes,
    reclaimer: context.reclaimer,
    clock: context.clock,
    onPull: (pull) => health.recordPull(pull),
    signal,
    reportEvent: (event) => state.reportEvent({ container: name, ...event }),
  });
  if (!("id" in result)) return health.recordStartFailure(result, action);
  health.recordStart(result.id);
  const { postStart } = container.spec;
  if (!postStart) return;
  const hookResult = await runHandler(postStart, {
    purpose: "hook",
    target: state.toHandlerTarget(result.id),
    streams: context.runtime,
    clock: context.clock,
    signal,
  });
  if (hookResult.ok) return state.reportHookWarning(name, hookResult.warning);
  if (signal.aborted) return;
  state.reportEvent({
    container: name,
    warning: true,
    reason: "FailedPostStartHook",
    message: `PostStartHook failed: ${hookResult.message}`,
  });
  health.markUnhealthy(result.id, { failedCheck: "postStart hook" });
}

async function removeInstance(
  { id, name }: { id: string; name: string },
  options: RunActionOptions,
): Promise<void> {
  const { context, state } = options;
  await pauseOnFailure(options, async () => {
    await context.runtime.removeContainer(id);
    await state.dropInstance(name, id);
  });
}

async function release(options: RunActionOptions): Promise<void> {
  const { context, state } = options;
  const { uid } = state.record.spec;
  await pauseOnFailure(options, async () => {
    await context.runtime.stopSandbox(uid);
    await context.volumes.release(uid);
    state.recordRelease();
  });
}

/**
 * Executes `work`. When it fails the action stays busy for a while, since the next plan would
 * repeat it at once.
 */
async function pauseOnFailure(
  { context, signal }: RunActionOptions,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    await context.clock.sleep(ACTION_RETRY_MS, { signal });
    throw error;
  }
}

/** Removes everything of the pod; tries again until it succeeds or is aborted. */
async function purge(
  { context, state, log, signal }: RunActionOptions,
): Promise<void> {
  const { uid } = state.record.spec;
  for (;;) {
    try {
      await context.runtime.removeSandbox(uid);
      await context.volumes.remove(uid);
      return await context.registry.dropPod(uid);
    } catch (error) {
      if (signal.aborted) return;
      log.warn("pod can't be purged, will retry", { error });
    }
    await context.clock.sleep(PURGE_RETRY_MS, { signal });
  }
}

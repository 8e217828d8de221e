// SPDX-License-Identifier: Apache-2.0
/** Starts one container: pulls its image, builds the request and calls the engine. */
import { asAranyaError, type Clock, hasCode } from "../../shared/base/mod.ts";
import {
  type Container,
  type PodSpec,
  PullPolicy,
} from "../../shared/wire/mod.ts";
import {
  type ContainerRequest,
  type ImageRequest,
  type ImageRuntime,
  isEngineDiskFull,
  isEngineUnreachable,
  type PodRuntime,
} from "../runtime/mod.ts";
import type { Volumes } from "../volumes/mod.ts";
import type { PodEvent } from "./context.ts";
import type { DiskReclaimer } from "./disk_reclaimer.ts";
import { expandEnv, expandReferences, type FieldValues } from "./env.ts";
import { type ContainerRole, LABELS } from "./plan_input.ts";

/** Options of {@linkcode startContainer}. */
export interface StartContainerOptions {
  spec: PodSpec;
  container: Container;
  role: ContainerRole;
  /** Restart count of the new instance, from 0. */
  attempt: number;
  /** Consecutive restarts before the new instance; kept as a label. */
  backoffLevel: number;
  /** Engine id of the sandbox; kept as a label. */
  sandboxId: string;
  /** Addresses for the environment. */
  fields: FieldValues;
  runtime: PodRuntime & ImageRuntime;
  volumes: Volumes;
  /** Frees space when the image does not fit, and later that of the image. */
  reclaimer: Pick<DiskReclaimer, "reclaim" | "onImagePulled">;
  clock: Clock;
  /** Called before the image is looked for and pulled, and when that has ended in whatever way. */
  onPull(state: "started" | "ended"): void;
  /** Aborts the start; what the engine has begun by then is awaited. */
  signal: AbortSignal;
  /** Reports an Event of the container. */
  reportEvent(event: Omit<PodEvent, "podUid" | "container">): void;
}

/** Why a container could not be started, with the reasons of a kubelet. */
export interface StartContainerFailure {
  /**
   * ErrImagePull, ErrImageNeverPull, ImageInspectError, InvalidImageName,
   * CreateContainerConfigError or RunContainerError.
   */
  reason: string;
  message: string;
  /** The engine could not be reached: no fault of the pod. */
  engineUnavailable: boolean;
}

/**
 * Starts a new instance of a container and returns its engine id, or why it could not be started.
 * Rejects only with the signal's reason, and not before the engine has answered: whoever aborts the
 * start then finds in a listing what came of it.
 */
export async function startContainer(
  options: StartContainerOptions,
): Promise<{ id: string } | StartContainerFailure> {
  const { container, runtime, signal } = options;
  let imageId: string;
  options.onPull("started");
  try {
    imageId = await ensureImage(options);
  } catch (error) {
    signal.throwIfAborted();
    return toFailure(error, {
      ...options,
      reason: toPullReason(error, container),
    });
  } finally {
    options.onPull("ended");
  }
  let request: ContainerRequest;
  try {
    request = await toContainerRequest(options, imageId);
  } catch (error) {
    signal.throwIfAborted();
    return toFailure(error, {
      ...options,
      reason: "CreateContainerConfigError",
    });
  }
  try {
    signal.throwIfAborted();
    const id = await runtime.startContainer(request, signal);
    signal.throwIfAborted();
    options.reportEvent({
      warning: false,
      reason: "Started",
      message: `Started container ${container.name}`,
    });
    return { id };
  } catch (error) {
    signal.throwIfAborted();
    return toFailure(error, {
      ...options,
      reason: hasCode(error, "invalid")
        ? "CreateContainerConfigError"
        : "RunContainerError",
    });
  }
}

/** Reports a failure as an Event, unless it is the engine's, and returns it. */
function toFailure(
  error: unknown,
  options: StartContainerOptions & { reason: string },
): StartContainerFailure {
  const { container, reason, reportEvent } = options;
  const known = asAranyaError(
    error,
    `Cannot start container "${container.name}"`,
  );
  // A pull is "unavailable" also when only the registry is.
  const engineUnavailable = known.code === "unavailable" &&
    reason !== "ErrImagePull";
  if (!engineUnavailable) {
    reportEvent({
      warning: true,
      reason: "Failed",
      message: reason === "ErrImagePull"
        ? `Failed to pull image "${container.image}": ${known.message}`
        : `Error: ${known.message}`,
    });
  }
  return { reason, message: known.message, engineUnavailable };
}

function toPullReason(error: unknown, container: Container): string {
  if (isEngineUnreachable(error)) return "ImageInspectError";
  if (container.pullPolicy === PullPolicy.NEVER) return "ErrImageNeverPull";
  return hasCode(error, "invalid") ? "InvalidImageName" : "ErrImagePull";
}

function toImagePolicy(policy: PullPolicy): ImageRequest["policy"] {
  switch (policy) {
    case PullPolicy.ALWAYS:
      return "always";
    case PullPolicy.NEVER:
      return "never";
    default:
      return "if_not_present";
  }
}

/** Makes sure that the engine has the image, and returns its id. */
async function ensureImage(options: StartContainerOptions): Promise<string> {
  const { spec, container, runtime, clock, signal, reportEvent } = options;
  const startMs = clock.monotonicMs();
  const request: ImageRequest = {
    image: container.image,
    policy: toImagePolicy(container.pullPolicy),
    credentials: spec.registryCredentials,
  };
  const { imageId, pulled } = await runtime.ensureImage(request, signal).catch(
    async (error) => {
      if (signal.aborted || !isEngineDiskFull(error)) throw error;
      // Before the back-off: unused images may take the space.
      await options.reclaimer.reclaim();
      return await runtime.ensureImage(request, signal);
    },
  );
  if (pulled) await options.reclaimer.onImagePulled(imageId);
  const tookMs = Math.round(clock.monotonicMs() - startMs);
  reportEvent({
    warning: false,
    reason: "Pulled",
    message: pulled
      ? `Successfully pulled image "${container.image}" in ${tookMs}ms`
      : `Container image "${container.image}" already present on machine`,
  });
  return imageId;
}

async function toContainerRequest(
  options: StartContainerOptions,
  imageId: string,
): Promise<ContainerRequest> {
  const { spec, container, role, attempt, volumes } = options;
  const values = expandEnv(container.env, options.fields);
  const binds = await volumes.resolveBinds(spec, container);
  const { terminationMessagePath } = container;
  if (
    terminationMessagePath !== "" &&
    !binds.some(({ target }) => target === terminationMessagePath)
  ) {
    const source = await volumes.createMessageFile({
      podUid: spec.uid,
      container: container.name,
      attempt,
    });
    binds.push({
      source,
      target: terminationMessagePath,
      readOnly: false,
      propagation: "",
    });
  }
  return {
    podUid: spec.uid,
    namespace: spec.namespace,
    podName: spec.name,
    kind: role === "app" ? "app" : "init",
    container,
    imageId,
    attempt,
    env: [...values].map(([name, value]) => ({ name, value })),
    command: container.command.map((word) => expandReferences(word, values)),
    args: container.args.map((word) => expandReferences(word, values)),
    binds,
    supplementalGroups: listGroups(spec),
    hostNetwork: spec.hostNetwork,
    hostPid: spec.hostPid,
    hostIpc: spec.hostIpc,
    shareProcessNamespace: spec.shareProcessNamespace,
    labels: {
      [LABELS.backoffLevel]: String(options.backoffLevel),
      [LABELS.sandbox]: options.sandboxId,
      [LABELS.image]: container.image,
    },
  };
}

/** Returns the supplemental groups of the pod, with fsGroup as the last one. */
function listGroups(spec: PodSpec): number[] {
  const { fsGroup, supplementalGroups = [] } = spec.security ?? {};
  const groups = supplementalGroups.map(Number);
  if (fsGroup !== undefined) groups.push(Number(fsGroup));
  return [...new Set(groups)];
}

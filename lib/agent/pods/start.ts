// SPDX-License-Identifier: Apache-2.0
/** Bringing one container up: its image, its environment and mounts, then the start itself and the hook after it. */
import {
  AranyaError,
  asAranyaError,
  withDeadline,
} from "../../shared/base/mod.ts";
import type {
  ContainerRequest,
  ImageRequest,
  ImageRuntime,
  PodRuntime,
} from "../runtime/mod.ts";
import {
  type Container,
  type EnvEntry,
  EnvField,
  type PodSpec,
  PullPolicy,
} from "../../shared/wire/mod.ts";
import { LABELS } from "./plan_input.ts";
import type { Volumes } from "../volumes/mod.ts";

const CREATE_TIMEOUT_MS = 120_000;

/** Options of {@linkcode startContainer}. */
export interface StartContainerOptions {
  spec: PodSpec;
  container: Container;
  role: "init" | "sidecar" | "app";
  attempt: number;
  backoffLevel: number;
  /** Id of the infra container. */
  sandboxId: string;
  fields: FieldValues;
  runtime: PodRuntime & ImageRuntime;
  volumes: Volumes;
  signal: AbortSignal;
  onEvent(event: { warning: boolean; reason: string; message: string }): void;
}

/** Why it could not be started, in the kubelet's words. */
export interface StartRefusal {
  reason: string;
  message: string;
  /** The engine is away: no fault of the pod's. */
  engineAway: boolean;
}

/** Starts a new instance. Gives its id, or why there is none; rejects only when the signal was aborted. */
export async function startContainer(
  options: StartContainerOptions,
): Promise<{ id: string } | StartRefusal> {
  const { container, runtime, signal, onEvent } = options;
  let imageId: string;
  try {
    imageId = await ensureImage(options);
  } catch (error) {
    signal.throwIfAborted();
    return refuse(error, { ...options, reason: pullReason(error, container) });
  }
  let request: ContainerRequest;
  try {
    request = await toRequest(options, imageId);
  } catch (error) {
    signal.throwIfAborted();
    return refuse(error, { ...options, reason: "CreateContainerConfigError" });
  }
  try {
    const id = await withDeadline(
      (signal) => runtime.startContainer(request, signal),
      {
        timeoutMs: CREATE_TIMEOUT_MS,
        action: `Cannot start container "${container.name}"`,
        signal,
      },
    );
    onEvent({
      warning: false,
      reason: "Started",
      message: `Started container ${container.name}`,
    });
    return { id };
  } catch (error) {
    signal.throwIfAborted();
    const code = asAranyaError(error, "Cannot start container").code;
    return refuse(error, {
      ...options,
      reason: code === "invalid"
        ? "CreateContainerConfigError"
        : "RunContainerError",
    });
  }
}

function refuse(
  error: unknown,
  options: StartContainerOptions & { reason: string },
): StartRefusal {
  const { container, reason, onEvent } = options;
  const known = asAranyaError(
    error,
    `Cannot start container "${container.name}"`,
  );
  const engineAway = known.code === "unavailable" &&
    reason !== "ErrImagePull";
  if (!engineAway) {
    onEvent({
      warning: true,
      reason: "Failed",
      message: reason === "ErrImagePull"
        ? `Failed to pull image "${container.image}": ${known.message}`
        : `Error: ${known.message}`,
    });
  }
  return { reason, message: known.message, engineAway };
}

function pullReason(error: unknown, container: Container): string {
  if (container.pullPolicy === PullPolicy.NEVER) return "ErrImageNeverPull";
  return error instanceof AranyaError && error.code === "invalid"
    ? "InvalidImageName"
    : "ErrImagePull";
}

function policyOf(policy: PullPolicy): ImageRequest["policy"] {
  switch (policy) {
    case PullPolicy.ALWAYS:
      return "always";
    case PullPolicy.NEVER:
      return "never";
    default:
      return "if_not_present";
  }
}

async function ensureImage(options: StartContainerOptions): Promise<string> {
  const { spec, container, runtime, signal, onEvent } = options;
  const startedMs = performance.now();
  const { imageId, pulled } = await runtime.ensureImage({
    image: container.image,
    policy: policyOf(container.pullPolicy),
    credentials: spec.registryCredentials,
  }, signal);
  onEvent({
    warning: false,
    reason: "Pulled",
    message: pulled
      ? `Successfully pulled image "${container.image}" in ${
        Math.round(performance.now() - startedMs)
      }ms`
      : `Container image "${container.image}" already present on machine`,
  });
  return imageId;
}

async function toRequest(
  options: StartContainerOptions,
  imageId: string,
): Promise<ContainerRequest> {
  const { spec, container, role, attempt, volumes } = options;
  const values = resolveEnv(container.env, options.fields);
  const binds = await volumes.binds(spec, container);
  if (
    container.terminationMessagePath !== "" &&
    !binds.some(({ target }) => target === container.terminationMessagePath)
  ) {
    const source = await volumes.createMessageFile({
      podUid: spec.uid,
      container: container.name,
      attempt,
    });
    binds.push({
      source,
      target: container.terminationMessagePath,
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
    command: container.command.map((word) => expand(word, values)),
    args: container.args.map((word) => expand(word, values)),
    binds,
    supplementalGroups: groupsOf(spec),
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

function groupsOf(spec: PodSpec): number[] {
  const { fsGroup, supplementalGroups = [] } = spec.security ?? {};
  const groups = supplementalGroups.map(Number);
  if (fsGroup !== undefined) groups.push(Number(fsGroup));
  return [...new Set(groups)];
}

/** Addresses that are known on the device only. */
export interface FieldValues {
  podIps: readonly string[];
  hostIps: readonly string[];
}

/**
 * Replaces `$(NAME)` by values; `$$` stands for one `$`, and a reference to an unknown name stays as it is
 * (rules of k8s.io/kubernetes third_party/forked/golang/expansion).
 */
export function expand(
  text: string,
  values: ReadonlyMap<string, string>,
): string {
  return text.replace(
    /\$(\$|\(([^)]*)\))/g,
    (whole: string, after: string, name: string | undefined) =>
      after === "$" ? "$" : values.get(name ?? "") ?? whole,
  );
}

/**
 * Goes through the entries in order: a value may refer to the entries before it, a later name replaces an earlier one (and takes
 * its place), literal values stay as they are.
 */
export function resolveEnv(
  entries: readonly EnvEntry[],
  fields: FieldValues,
): Map<string, string> {
  const values = new Map<string, string>();
  for (const entry of entries) {
    values.set(
      entry.name,
      fieldValue(entry.field, fields) ??
        (entry.literal ? entry.value : expand(entry.value, values)),
    );
  }
  return values;
}

function fieldValue(field: EnvField, fields: FieldValues): string | undefined {
  switch (field) {
    case EnvField.POD_IP:
      return fields.podIps[0] ?? "";
    case EnvField.POD_IPS:
      return fields.podIps.join(",");
    case EnvField.HOST_IP:
      return fields.hostIps[0] ?? "";
    case EnvField.HOST_IPS:
      return fields.hostIps.join(",");
    default:
      return undefined;
  }
}

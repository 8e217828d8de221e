// SPDX-License-Identifier: Apache-2.0
/** Translates a container request to the engine's configuration. */
import { AranyaError, defined } from "../../shared/base/mod.ts";
import type { ContainerSecurity } from "../../shared/wire/mod.ts";
import type {
  ContainerCreate,
  HostConfig,
  ImageInspect,
} from "../docker/mod.ts";
import { toContainerLabels } from "./labels.ts";
import type { ContainerRequest } from "./runtime.ts";

/** The kubelet's own log rotation: 5 files of 10 MiB. */
const LOG_CONFIG = {
  Type: "json-file",
  Config: { "max-size": "10m", "max-file": "5" },
};
const CPU_PERIOD_US = 100_000;
const MIN_CPU_QUOTA_US = 1_000;
const MIN_CPU_SHARES = 2;
const SHARES_PER_CPU = 1_024;
const MILLIS_PER_CPU = 1_000;
/** The kubelet's score for pods of QoS class BestEffort: the first that the OOM killer chooses. */
const BEST_EFFORT_OOM_SCORE = 1_000;

/** The kubelet's bounds for pods of QoS class Burstable. */
const MIN_BURSTABLE_OOM_SCORE = 3;
const MAX_BURSTABLE_OOM_SCORE = 999;

/** Facts about the engine that the configuration depends on. */
export interface ContainerConfigContext {
  device: string;
  /** Id of the pod's infra container. */
  sandboxId: string;
  /** The request's image. */
  image: ImageInspect;
  /** Memory of the engine's machine; 0 when unknown. */
  memoryBytes: number;
}

/**
 * Returns the engine's configuration of a container.
 * @throws {AranyaError} code "invalid" when the container would violate runAsNonRoot
 */
export function toContainerCreate(
  request: ContainerRequest,
  { device, sandboxId, image, memoryBytes }: ContainerConfigContext,
): ContainerCreate {
  const { container, command, args, binds } = request;
  const hasCommand = command.length > 0;
  return {
    Image: request.imageId,
    Labels: toContainerLabels(device, request),
    Env: request.env.map(({ name, value }) => `${name}=${value}`),
    ...defined({
      // As in Kubernetes, a command without args also replaces the args of the image.
      Entrypoint: hasCommand ? command : undefined,
      Cmd: hasCommand || args.length > 0 ? args : undefined,
      WorkingDir: container.workingDir || undefined,
      User: toUser(request, image),
    }),
    Tty: container.tty,
    OpenStdin: container.stdin,
    StdinOnce: container.stdin && container.stdinOnce,
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      ...toNamespaces(request, sandboxId),
      ...toLimits(request, memoryBytes),
      ...toSecurity(container.security),
      RestartPolicy: { Name: "no" },
      LogConfig: LOG_CONFIG,
      GroupAdd: request.supplementalGroups.map(String),
      Mounts: binds.map(({ source, target, readOnly, propagation }) => ({
        Type: "bind",
        Source: source,
        Target: target,
        ReadOnly: readOnly,
        // The engine's default is "rprivate". For a source that contains its own root, such as "/",
        // it is "rslave", and the engine accepts no "rprivate".
        ...defined({
          BindOptions: propagation === ""
            ? undefined
            : { Propagation: propagation },
        }),
      })),
    },
  };
}

/**
 * Joins the namespaces of the infra container, except for those of the host that the pod asks for.
 */
function toNamespaces(
  request: ContainerRequest,
  sandboxId: string,
): HostConfig {
  const sandbox = `container:${sandboxId}`;
  const pidMode = request.hostPid
    ? "host"
    : request.shareProcessNamespace
    ? sandbox
    : undefined;
  return {
    NetworkMode: sandbox,
    IpcMode: request.hostIpc ? "host" : sandbox,
    ...defined({
      PidMode: pidMode,
      UTSMode: request.hostNetwork ? "host" : undefined,
    }),
  };
}

/** Translates resources as the kubelet does (pkg/kubelet/cm/helpers_linux.go, kuberuntime). */
function toLimits(
  { container: { resources } }: ContainerRequest,
  machineMemoryBytes: number,
): HostConfig {
  const memoryLimitBytes = Number(resources?.memoryLimitBytes ?? 0n);
  const memoryRequestBytes = Number(resources?.memoryRequestBytes ?? 0n);
  const cpuLimitMillis = Number(resources?.cpuLimitMillis ?? 0n);
  // The API server too defaults a request to its limit.
  const cpuRequestMillis = Number(resources?.cpuRequestMillis ?? 0n) ||
    cpuLimitMillis;
  return {
    CpuShares: Math.max(
      MIN_CPU_SHARES,
      Math.floor(cpuRequestMillis * SHARES_PER_CPU / MILLIS_PER_CPU),
    ),
    ...defined({
      CpuPeriod: cpuLimitMillis > 0 ? CPU_PERIOD_US : undefined,
      CpuQuota: cpuLimitMillis > 0 ? toCpuQuotaUs(cpuLimitMillis) : undefined,
      // Equal values mean: no swap.
      Memory: memoryLimitBytes || undefined,
      MemorySwap: memoryLimitBytes || undefined,
      OomScoreAdj: toOomScore({
        isGuaranteed: cpuLimitMillis > 0 && memoryLimitBytes > 0 &&
          cpuRequestMillis === cpuLimitMillis &&
          (memoryRequestBytes || memoryLimitBytes) === memoryLimitBytes,
        isBestEffort: memoryLimitBytes === 0 && memoryRequestBytes === 0 &&
          cpuRequestMillis === 0,
        memoryRequestBytes: memoryRequestBytes || memoryLimitBytes,
        machineMemoryBytes,
      }),
    }),
  };
}

/**
 * Returns the adjustment of the OOM killer's choice as a kubelet does (pkg/kubelet/qos/policy.go),
 * so that a container is chosen before the agent and the engine. Undefined leaves 0, for containers
 * whose limits are their requests: a kubelet's -997 needs a capability that some engines lack.
 */
function toOomScore(
  { isGuaranteed, isBestEffort, memoryRequestBytes, machineMemoryBytes }: {
    isGuaranteed: boolean;
    isBestEffort: boolean;
    memoryRequestBytes: number;
    machineMemoryBytes: number;
  },
): number | undefined {
  if (isBestEffort) return BEST_EFFORT_OOM_SCORE;
  if (isGuaranteed || machineMemoryBytes === 0) return undefined;
  const score = BEST_EFFORT_OOM_SCORE -
    Math.floor(BEST_EFFORT_OOM_SCORE * memoryRequestBytes / machineMemoryBytes);
  return Math.min(
    Math.max(MIN_BURSTABLE_OOM_SCORE, score),
    MAX_BURSTABLE_OOM_SCORE,
  );
}

/** Returns the CPU time per `CPU_PERIOD_US`. */
function toCpuQuotaUs(limitMillis: number): number {
  return Math.max(
    MIN_CPU_QUOTA_US,
    Math.floor(limitMillis * CPU_PERIOD_US / MILLIS_PER_CPU),
  );
}

/** Translates the security context; what it leaves open stays the engine's default. */
function toSecurity(security: ContainerSecurity | undefined): HostConfig {
  if (!security) return {};
  const options: string[] = [];
  if (security.allowPrivilegeEscalation === false) {
    options.push("no-new-privileges");
  }
  if (security.seccomp === "unconfined") options.push("seccomp=unconfined");
  const unmasked = security.procMount === "Unmasked" ? [] : undefined;
  return {
    Privileged: security.privileged,
    ReadonlyRootfs: security.readOnlyRoot,
    CapAdd: security.addCapabilities,
    CapDrop: security.dropCapabilities,
    SecurityOpt: options,
    ...defined({ MaskedPaths: unmasked, ReadonlyPaths: unmasked }),
  };
}

/** Returns the engine's `user[:group]`; undefined leaves the image's own. */
function toUser(
  request: ContainerRequest,
  image: ImageInspect,
): string | undefined {
  const { security } = request.container;
  const imageUser = image.Config?.User ?? "";
  const user = security?.runAsUser?.toString() ??
    (imageUser.split(":")[0] ?? "");
  if (security?.runAsNonRoot) checkNonRoot(request, user);
  const group = security?.runAsGroup?.toString();
  if (group !== undefined) return `${user || "0"}:${group}`;
  return security?.runAsUser === undefined ? undefined : user;
}

/** @throws {AranyaError} code "invalid" when the user is root, or a name that might be root's */
function checkNonRoot(
  { container, namespace, podName }: ContainerRequest,
  user: string,
): void {
  const action =
    `Cannot start container "${container.name}" of pod "${namespace}/${podName}"`;
  if (user === "" || user === "root" || /^0+$/.test(user)) {
    throw new AranyaError(
      "invalid",
      `${action}: it has runAsNonRoot and would run as root`,
    );
  }
  if (!/^\d+$/.test(user)) {
    throw new AranyaError(
      "invalid",
      `${action}: it has runAsNonRoot and the image's user "${user}" is a name, expected a number`,
    );
  }
}

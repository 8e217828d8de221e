// SPDX-License-Identifier: Apache-2.0
/** From a container request to the engine's own words; pure. */
import { AranyaError } from "../../shared/base/mod.ts";
import type {
  ContainerCreate,
  HostConfig,
  ImageInspect,
} from "../docker/mod.ts";
import type { ContainerSecurity } from "../../shared/wire/mod.ts";
import { containerLabels } from "./labels.ts";
import type { ContainerRequest } from "./runtime.ts";

/** As the kubelet's own rotation: 5 files of 10 MiB. */
const LOG_CONFIG = {
  Type: "json-file",
  Config: { "max-size": "10m", "max-file": "5" },
};
const CPU_PERIOD_US = 100_000;
const MIN_CPU_QUOTA_US = 1_000;
const MIN_CPU_SHARES = 2;
const SHARES_PER_CPU = 1_024;
const MILLIS_PER_CPU = 1_000;
/** First to go when memory ends, as the kubelet has it for pods that ask for nothing. */
const BEST_EFFORT_OOM_SCORE = 1_000;

/** What the request is put together with. */
export interface ContainerSurroundings {
  device: string;
  sandboxId: string;
  image: ImageInspect;
}

/** @throws {AranyaError} code "invalid" when the image's user breaks runAsNonRoot */
export function toContainerCreate(
  request: ContainerRequest,
  surroundings: ContainerSurroundings,
): ContainerCreate {
  const { container, command, args } = request;
  const user = toUser(request, surroundings.image);
  return {
    Image: request.imageId,
    Labels: containerLabels(surroundings.device, request),
    Env: request.env.map(({ name, value }) => `${name}=${value}`),
    // The image's command goes with the image's entry point only, as in Kubernetes.
    ...(command.length > 0 ? { Entrypoint: command } : {}),
    ...(args.length > 0 || command.length > 0 ? { Cmd: args } : {}),
    ...(container.workingDir === ""
      ? {}
      : { WorkingDir: container.workingDir }),
    ...(user === undefined ? {} : { User: user }),
    Tty: container.tty,
    OpenStdin: container.stdin,
    StdinOnce: container.stdin && container.stdinOnce,
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      ...toNamespaces(request, surroundings.sandboxId),
      ...toLimits(request),
      ...toSecurity(container.security),
      RestartPolicy: { Name: "no" },
      LogConfig: LOG_CONFIG,
      GroupAdd: request.supplementalGroups.map(String),
      Mounts: request.binds.map((bind) => ({
        Type: "bind",
        Source: bind.source,
        Target: bind.target,
        ReadOnly: bind.readOnly,
        BindOptions: {
          Propagation: bind.propagation === "" ? "rprivate" : bind.propagation,
        },
      })),
    },
  };
}

function toNamespaces(
  request: ContainerRequest,
  sandboxId: string,
): HostConfig {
  const shared = `container:${sandboxId}`;
  return {
    NetworkMode: shared,
    IpcMode: request.hostIpc ? "host" : shared,
    ...(request.hostPid
      ? { PidMode: "host" }
      : request.shareProcessNamespace
      ? { PidMode: shared }
      : {}),
    ...(request.hostNetwork ? { UTSMode: "host" } : {}),
  };
}

function toLimits(request: ContainerRequest): HostConfig {
  const resources = request.container.resources;
  const memoryLimit = Number(resources?.memoryLimitBytes ?? 0n);
  const cpuLimit = Number(resources?.cpuLimitMillis ?? 0n);
  // A limit alone counts as a request too, as the API server defaults it.
  const cpuRequest = Number(resources?.cpuRequestMillis ?? 0n) || cpuLimit;
  const memoryRequest = Number(resources?.memoryRequestBytes ?? 0n);
  const bestEffort = memoryLimit === 0 && memoryRequest === 0 &&
    cpuRequest === 0;
  return {
    CpuShares: Math.max(
      MIN_CPU_SHARES,
      Math.floor(cpuRequest * SHARES_PER_CPU / MILLIS_PER_CPU),
    ),
    ...(cpuLimit === 0 ? {} : {
      CpuPeriod: CPU_PERIOD_US,
      CpuQuota: Math.max(
        MIN_CPU_QUOTA_US,
        Math.floor(cpuLimit * CPU_PERIOD_US / MILLIS_PER_CPU),
      ),
    }),
    // Equal values: no swap.
    ...(memoryLimit === 0
      ? {}
      : { Memory: memoryLimit, MemorySwap: memoryLimit }),
    ...(bestEffort ? { OomScoreAdj: BEST_EFFORT_OOM_SCORE } : {}),
  };
}

function toSecurity(security: ContainerSecurity | undefined): HostConfig {
  if (!security) return {};
  const options: string[] = [];
  if (security.allowPrivilegeEscalation === false) {
    options.push("no-new-privileges");
  }
  if (security.seccomp === "unconfined") options.push("seccomp=unconfined");
  return {
    Privileged: security.privileged,
    ReadonlyRootfs: security.readOnlyRoot,
    CapAdd: security.addCapabilities,
    CapDrop: security.dropCapabilities,
    SecurityOpt: options,
    ...(security.procMount === "Unmasked"
      ? { MaskedPaths: [], ReadonlyPaths: [] }
      : {}),
  };
}

/** The engine's `user[:group]`; undefined: the image's own. */
function toUser(
  request: ContainerRequest,
  image: ImageInspect,
): string | undefined {
  const security = request.container.security;
  const imageUser = image.Config?.User ?? "";
  const user = security?.runAsUser?.toString() ??
    (imageUser.split(":")[0] ?? "");
  if (security?.runAsNonRoot) checkNonRoot(request, user);
  const group = security?.runAsGroup?.toString();
  if (group !== undefined) return `${user === "" ? "0" : user}:${group}`;
  return security?.runAsUser === undefined ? undefined : user;
}

function checkNonRoot(request: ContainerRequest, user: string): void {
  const action = `Cannot start container "${request.container.name}" of pod ` +
    `"${request.namespace}/${request.podName}"`;
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

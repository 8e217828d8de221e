// SPDX-License-Identifier: Apache-2.0
/** Translates one container: image, command, mounts, limits, security, probes and hooks. */
import { defined } from "../../shared/base/mod.ts";
import type {
  KubeContainer,
  KubeHandler,
  KubeProbe,
  Pod,
} from "../kube/mod.ts";
import {
  type Container,
  ContainerSchema,
  type ContainerSecurity,
  ContainerSecuritySchema,
  create,
  type Handler,
  HandlerSchema,
  type Mount,
  MountSchema,
  type Probe,
  ProbeSchema,
  PullPolicy,
  type Resources,
  ResourcesSchema,
} from "../../shared/wire/mod.ts";
import { type ContainerContext, resolveEnv } from "./env.ts";
import { toMillis, toUnits } from "./quantity.ts";

const PULL_POLICIES: Record<string, PullPolicy> = {
  Always: PullPolicy.ALWAYS,
  IfNotPresent: PullPolicy.IF_NOT_PRESENT,
  Never: PullPolicy.NEVER,
};
/** Mount propagation as Docker and the kernel name it. */
const PROPAGATION: Record<string, string> = {
  HostToContainer: "rslave",
  Bidirectional: "rshared",
};

/**
 * Translates a container. When it refers to something that is missing, the result is marked as
 * blocked, and the pod's other containers are not affected.
 */
export function toContainer(context: ContainerContext): Container {
  const { pod, container } = context;
  const { env, blocked } = resolveEnv(context);
  const { lifecycle } = container;
  return create(ContainerSchema, {
    name: container.name,
    image: container.image ?? "",
    pullPolicy: toPullPolicy(container),
    command: container.command ?? [],
    args: container.args ?? [],
    workingDir: container.workingDir ?? "",
    env,
    mounts: toMounts(container),
    resources: toResources(container),
    security: mergeSecurity(pod, container),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    terminationMessagePath: container.terminationMessagePath ??
      "/dev/termination-log",
    terminationMessageFallbackToLogs:
      container.terminationMessagePolicy === "FallbackToLogsOnError",
    restartAlways: container.restartPolicy === "Always",
    ...defined({
      preStop: toHandler(lifecycle?.preStop, container),
      postStart: toHandler(lifecycle?.postStart, container),
      liveness: toProbe(container.livenessProbe, container),
      readiness: toProbe(container.readinessProbe, container),
      startup: toProbe(container.startupProbe, container),
      blocked,
    }),
  });
}

/** Returns the pull policy. The API server sets it; without one the image's tag decides. */
function toPullPolicy(
  { imagePullPolicy, image = "" }: KubeContainer,
): PullPolicy {
  const explicit = PULL_POLICIES[imagePullPolicy ?? ""];
  if (explicit !== undefined) return explicit;
  const tag = image.includes("@")
    ? "digest"
    : image.slice(image.lastIndexOf("/") + 1).split(":")[1] ?? "latest";
  return tag === "latest" ? PullPolicy.ALWAYS : PullPolicy.IF_NOT_PRESENT;
}

/** Translates volume mounts; names of volumes stay. */
function toMounts(container: KubeContainer): Mount[] {
  return (container.volumeMounts ?? []).map((mount) =>
    create(MountSchema, {
      volume: mount.name,
      path: mount.mountPath,
      subPath: mount.subPath ?? "",
      readOnly: mount.readOnly ?? false,
      propagation: PROPAGATION[mount.mountPropagation ?? ""] ?? "",
    })
  );
}

/** Translates limits and requests; 0 for what is not set. */
function toResources({ resources = {} }: KubeContainer): Resources {
  const { limits = {}, requests = {} } = resources;
  return create(ResourcesSchema, {
    cpuLimitMillis: BigInt(toMillis(limits.cpu ?? "0")),
    memoryLimitBytes: BigInt(toUnits(limits.memory ?? "0")),
    cpuRequestMillis: BigInt(toMillis(requests.cpu ?? "0")),
    memoryRequestBytes: BigInt(toUnits(requests.memory ?? "0")),
    storageLimitBytes: BigInt(toUnits(limits["ephemeral-storage"] ?? "0")),
    storageRequestBytes: BigInt(toUnits(requests["ephemeral-storage"] ?? "0")),
  });
}

/** Merges the security settings of pod and container; the container's win. */
function mergeSecurity(pod: Pod, container: KubeContainer): ContainerSecurity {
  const outer = pod.spec.securityContext ?? {};
  const inner = container.securityContext ?? {};
  const runAsUser = inner.runAsUser ?? outer.runAsUser;
  const runAsGroup = inner.runAsGroup ?? outer.runAsGroup;
  const seccomp = inner.seccompProfile?.type ?? outer.seccompProfile?.type;
  return create(ContainerSecuritySchema, {
    ...defined({
      runAsUser: toBigInt(runAsUser),
      runAsGroup: toBigInt(runAsGroup),
      allowPrivilegeEscalation: inner.allowPrivilegeEscalation,
    }),
    runAsNonRoot: inner.runAsNonRoot ?? outer.runAsNonRoot ?? false,
    privileged: inner.privileged ?? false,
    readOnlyRoot: inner.readOnlyRootFilesystem ?? false,
    addCapabilities: inner.capabilities?.add ?? [],
    dropCapabilities: inner.capabilities?.drop ?? [],
    seccomp: seccomp === "Unconfined" ? "unconfined" : "",
    procMount: inner.procMount === "Default" ? "" : inner.procMount ?? "",
  });
}

/** Translates a probe with the API server's defaults; undefined when it has no known handler. */
function toProbe(
  probe: KubeProbe | undefined,
  container: KubeContainer,
): Probe | undefined {
  const handler = toHandler(probe, container);
  if (!probe || !handler) return undefined;
  return create(ProbeSchema, {
    handler,
    initialDelaySeconds: probe.initialDelaySeconds ?? 0,
    timeoutSeconds: probe.timeoutSeconds ?? 1,
    periodSeconds: probe.periodSeconds ?? 10,
    successThreshold: probe.successThreshold ?? 1,
    failureThreshold: probe.failureThreshold ?? 3,
    ...defined({
      terminationGraceSeconds: toBigInt(probe.terminationGracePeriodSeconds),
    }),
  });
}

/** Translates what a probe or hook does; undefined when there is nothing known to do. */
function toHandler(
  handler: KubeHandler | undefined,
  container: KubeContainer,
): Handler | undefined {
  if (!handler) return undefined;
  const { exec, httpGet, tcpSocket, sleep, grpc } = handler;
  if (exec) {
    const command = exec.command ?? [];
    return create(HandlerSchema, {
      action: { case: "exec", value: { command } },
    });
  }
  if (httpGet) {
    return create(HandlerSchema, {
      action: {
        case: "http",
        value: {
          scheme: httpGet.scheme ?? "HTTP",
          host: httpGet.host ?? "",
          port: toPort(httpGet.port, container),
          path: httpGet.path ?? "/",
          headers: httpGet.httpHeaders ?? [],
        },
      },
    });
  }
  if (tcpSocket) {
    const port = toPort(tcpSocket.port, container);
    const host = tcpSocket.host ?? "";
    return create(HandlerSchema, {
      action: { case: "tcp", value: { host, port } },
    });
  }
  if (sleep) {
    return create(HandlerSchema, {
      action: { case: "sleepSeconds", value: BigInt(sleep.seconds) },
    });
  }
  if (!grpc) return undefined;
  const { port, service = "" } = grpc;
  return create(HandlerSchema, {
    action: { case: "grpc", value: { port, service } },
  });
}

/**
 * Returns the number of a port that may be given by its name in the same container. 0 when there
 * is no such port, with which the probe fails.
 */
function toPort(port: number | string, container: KubeContainer): number {
  if (typeof port === "number") return port;
  const named = container.ports?.find(({ name }) => name === port);
  return named?.containerPort ?? (/^\d+$/.test(port) ? Number(port) : 0);
}

function toBigInt(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}

// SPDX-License-Identifier: Apache-2.0
/** One container: image, command, mounts, limits, security, probes and hooks. */
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
import { resolveEnv, type ResolveEnvOptions } from "./env.ts";
import { toMillis, toUnits } from "./quantity.ts";

const PULL_POLICIES: Record<string, PullPolicy> = {
  Always: PullPolicy.ALWAYS,
  IfNotPresent: PullPolicy.IF_NOT_PRESENT,
  Never: PullPolicy.NEVER,
};
const PROPAGATION: Record<string, string> = {
  HostToContainer: "rslave",
  Bidirectional: "rshared",
};

/** Translates a container; what it refers to and isn't there blocks it alone. */
export function toContainer(options: ResolveEnvOptions): Container {
  const { pod, container } = options;
  const { env, blocked } = resolveEnv(options);
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
    ...defined("preStop", toHandler(lifecycle?.preStop, container)),
    ...defined("postStart", toHandler(lifecycle?.postStart, container)),
    ...defined("liveness", toProbe(container.livenessProbe, container)),
    ...defined("readiness", toProbe(container.readinessProbe, container)),
    ...defined("startup", toProbe(container.startupProbe, container)),
    ...defined("blocked", blocked),
  });
}

function defined<K extends string, V>(
  key: K,
  value: V | undefined,
): Record<K, V> | Record<string, never> {
  return value === undefined ? {} : { [key]: value } as Record<K, V>;
}

/** The API server fills the policy in; without one the image's tag decides. */
function toPullPolicy(
  { imagePullPolicy, image = "" }: KubeContainer,
): PullPolicy {
  const given = PULL_POLICIES[imagePullPolicy ?? ""];
  if (given !== undefined) return given;
  const tag = image.includes("@")
    ? "digest"
    : image.slice(image.lastIndexOf("/") + 1).split(":")[1] ?? "latest";
  return tag === "latest" ? PullPolicy.ALWAYS : PullPolicy.IF_NOT_PRESENT;
}

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

function toResources({ resources = {} }: KubeContainer): Resources {
  const { limits = {}, requests = {} } = resources;
  return create(ResourcesSchema, {
    cpuLimitMillis: BigInt(toMillis(limits.cpu ?? "0")),
    memoryLimitBytes: BigInt(toUnits(limits.memory ?? "0")),
    cpuRequestMillis: BigInt(toMillis(requests.cpu ?? "0")),
    memoryRequestBytes: BigInt(toUnits(requests.memory ?? "0")),
  });
}

/** The container's own settings win over the pod's. */
function mergeSecurity(pod: Pod, container: KubeContainer): ContainerSecurity {
  const outer = pod.spec.securityContext ?? {};
  const inner = container.securityContext ?? {};
  const user = inner.runAsUser ?? outer.runAsUser;
  const group = inner.runAsGroup ?? outer.runAsGroup;
  const seccomp = inner.seccompProfile?.type ?? outer.seccompProfile?.type;
  const escalation = inner.allowPrivilegeEscalation;
  return create(ContainerSecuritySchema, {
    ...(user === undefined ? {} : { runAsUser: BigInt(user) }),
    ...(group === undefined ? {} : { runAsGroup: BigInt(group) }),
    runAsNonRoot: inner.runAsNonRoot ?? outer.runAsNonRoot ?? false,
    privileged: inner.privileged ?? false,
    readOnlyRoot: inner.readOnlyRootFilesystem ?? false,
    addCapabilities: inner.capabilities?.add ?? [],
    dropCapabilities: inner.capabilities?.drop ?? [],
    ...(escalation === undefined
      ? {}
      : { allowPrivilegeEscalation: escalation }),
    seccomp: seccomp === "Unconfined" ? "unconfined" : "",
    procMount: inner.procMount === "Default" ? "" : inner.procMount ?? "",
  });
}

function toProbe(
  probe: KubeProbe | undefined,
  container: KubeContainer,
): Probe | undefined {
  const handler = toHandler(probe, container);
  if (!probe || !handler) return undefined;
  const grace = probe.terminationGracePeriodSeconds;
  return create(ProbeSchema, {
    handler,
    initialDelaySeconds: probe.initialDelaySeconds ?? 0,
    timeoutSeconds: probe.timeoutSeconds ?? 1,
    periodSeconds: probe.periodSeconds ?? 10,
    successThreshold: probe.successThreshold ?? 1,
    failureThreshold: probe.failureThreshold ?? 3,
    ...(grace === undefined ? {} : { terminationGraceSeconds: BigInt(grace) }),
  });
}

function toHandler(
  from: KubeHandler | undefined,
  container: KubeContainer,
): Handler | undefined {
  if (!from) return undefined;
  const { exec, httpGet, tcpSocket, sleep, grpc } = from;
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

/** A port may be named; the name stands in the same container. 0: there is no such port, the probe fails. */
function toPort(port: number | string, container: KubeContainer): number {
  if (typeof port === "number") return port;
  const named = container.ports?.find(({ name }) => name === port);
  return named?.containerPort ?? (/^\d+$/.test(port) ? Number(port) : 0);
}

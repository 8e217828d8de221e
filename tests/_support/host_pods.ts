// SPDX-License-Identifier: Apache-2.0
/**
 * Pods with which a tenant of the cluster would reach the host of a device. Both ends of the link
 * are tested with them, and the whole on a real API server and engine.
 */
import type { Pod } from "../../lib/operator/kube/mod.ts";
import { toPodSpec } from "../../lib/operator/podspec/mod.ts";
import type { PodSwitches } from "../../lib/shared/config/mod.ts";
import type { PodSpec } from "../../lib/shared/wire/mod.ts";

type PodSpecInit = Pod["spec"];
type ContainerInit = PodSpecInit["containers"][number];

/** All switches of `pods` in agent.yaml. */
export const ALL_ON: PodSwitches = {
  privileged: true,
  hostPath: true,
  hostNamespaces: true,
};
export const ALL_OFF: PodSwitches = {
  privileged: false,
  hostPath: false,
  hostNamespaces: false,
};

/** One pod, and how it is refused. */
export interface HostPod {
  /** A DNS label, unique in the table. */
  name: string;
  spec: PodSpecInit;
  /** What the refusal names, and the switches that forbid it. */
  needs: { what: string; key: keyof PodSwitches }[];
}

/** A pod that no switch allows: this version does not support the field. */
export interface UnsupportedHostPod {
  name: string;
  spec: PodSpecInit;
  /** The field that the refusal names. */
  field: string;
}

const APP: ContainerInit = { name: "app", image: "busybox:1" };

/** Returns a pod whose one container has these fields. */
function withApp(
  container: Partial<ContainerInit>,
  more: Partial<PodSpecInit> = {},
): PodSpecInit {
  return { containers: [{ ...APP, ...container }], ...more };
}

function withHostPath(
  path: string,
  mount: Partial<NonNullable<ContainerInit["volumeMounts"]>[number]> = {},
  type = "",
): PodSpecInit {
  return withApp({
    volumeMounts: [{ name: "host", mountPath: "/host", ...mount }],
  }, { volumes: [{ name: "host", hostPath: { path, type } }] });
}

const HOST_PATH = [
  { what: 'hostPath volume "host"', key: "hostPath" },
] as const;

/** Returns the refusal of a capability. */
function capability(name: string): HostPod["needs"] {
  return [{
    what: `capability ${name} of container "app"`,
    key: "privileged",
  }];
}

/** Returns the refusal of a host in a probe or hook. */
function host(address: string, kind: string): HostPod["needs"] {
  return [{
    what: `host "${address}" in the ${kind} of container "app"`,
    key: "hostNamespaces",
  }];
}

/** Pods that the switches forbid. */
export const HOST_PODS: readonly HostPod[] = [
  {
    name: "privileged",
    spec: withApp({ securityContext: { privileged: true } }),
    needs: [{ what: 'privileged container "app"', key: "privileged" }],
  },
  {
    name: "privileged-init",
    spec: withApp({}, {
      initContainers: [{
        ...APP,
        name: "setup",
        securityContext: { privileged: true },
      }],
    }),
    needs: [{ what: 'privileged container "setup"', key: "privileged" }],
  },
  {
    name: "privileged-sidecar",
    spec: withApp({}, {
      initContainers: [{
        ...APP,
        name: "proxy",
        restartPolicy: "Always",
        securityContext: { privileged: true },
      }],
    }),
    needs: [{ what: 'privileged container "proxy"', key: "privileged" }],
  },
  {
    name: "sys-admin",
    spec: withApp({
      securityContext: { capabilities: { add: ["SYS_ADMIN"] } },
    }),
    needs: capability("SYS_ADMIN"),
  },
  {
    name: "cap-prefix",
    spec: withApp({
      securityContext: { capabilities: { add: ["CHOWN", "cap_sys_module"] } },
    }),
    needs: capability("cap_sys_module"),
  },
  {
    name: "all-capabilities",
    spec: withApp({
      securityContext: { capabilities: { add: ["ALL"], drop: ["ALL"] } },
    }),
    needs: capability("ALL"),
  },
  {
    name: "raw-disk",
    spec: withApp({
      securityContext: { capabilities: { add: ["MKNOD", "SYS_RAWIO"] } },
    }),
    needs: capability("SYS_RAWIO"),
  },
  {
    name: "seccomp",
    spec: withApp({
      securityContext: { seccompProfile: { type: "Unconfined" } },
    }),
    needs: [{
      what: 'seccomp profile Unconfined of container "app"',
      key: "privileged",
    }],
  },
  {
    name: "seccomp-of-pod",
    spec: withApp({}, {
      securityContext: { seccompProfile: { type: "Unconfined" } },
    }),
    needs: [{
      what: 'seccomp profile Unconfined of container "app"',
      key: "privileged",
    }],
  },
  {
    name: "sysctl",
    spec: withApp({}, {
      securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] },
    }),
    needs: [{ what: "sysctl kernel.msgmax", key: "privileged" }],
  },
  {
    name: "sysctl-slashes",
    spec: withApp({}, {
      securityContext: {
        sysctls: [{ name: "net/ipv4/ip_forward", value: "1" }],
      },
    }),
    needs: [{ what: "sysctl net/ipv4/ip_forward", key: "privileged" }],
  },
  { name: "host-root", spec: withHostPath("/"), needs: [...HOST_PATH] },
  {
    name: "docker-socket",
    spec: withHostPath("/var/run/docker.sock", {}, "Socket"),
    needs: [...HOST_PATH],
  },
  {
    name: "agent-state",
    spec: withHostPath("/var/lib/aranya", { subPath: "edge-1" }),
    needs: [...HOST_PATH],
  },
  {
    name: "agent-yaml",
    spec: withHostPath("/etc/aranya/agent.yaml", { readOnly: true }, "File"),
    needs: [...HOST_PATH],
  },
  {
    name: "device-file",
    spec: withHostPath("/dev/mem", {}, "CharDevice"),
    needs: [...HOST_PATH],
  },
  {
    name: "unused-host-path",
    spec: withApp({}, {
      volumes: [{
        name: "host",
        hostPath: { path: "/etc/aranya/new", type: "FileOrCreate" },
      }],
    }),
    needs: [...HOST_PATH],
  },
  {
    name: "host-network",
    spec: withApp({}, { hostNetwork: true }),
    needs: [{ what: "hostNetwork", key: "hostNamespaces" }],
  },
  {
    name: "host-port",
    spec: withApp({ ports: [{ containerPort: 22, hostPort: 22 }] }, {
      hostNetwork: true,
    }),
    needs: [{ what: "hostNetwork", key: "hostNamespaces" }],
  },
  {
    name: "host-pid",
    spec: withApp({}, { hostPID: true }),
    needs: [{ what: "hostPID", key: "hostNamespaces" }],
  },
  {
    name: "host-ipc",
    spec: withApp({}, { hostIPC: true }),
    needs: [{ what: "hostIPC", key: "hostNamespaces" }],
  },
  {
    name: "liveness",
    spec: withApp({
      livenessProbe: { tcpSocket: { host: "127.0.0.1", port: 22 } },
    }),
    needs: host("127.0.0.1", "liveness probe"),
  },
  {
    name: "readiness",
    spec: withApp({
      readinessProbe: { httpGet: { host: "localhost", port: 631, path: "/" } },
    }),
    needs: host("localhost", "readiness probe"),
  },
  {
    name: "startup",
    spec: withApp({
      startupProbe: { tcpSocket: { host: "::1", port: 2375 } },
    }),
    needs: host("::1", "startup probe"),
  },
  {
    name: "post-start",
    spec: withApp({
      lifecycle: {
        postStart: {
          httpGet: { host: "169.254.169.254", port: 80, path: "/" },
        },
      },
    }),
    needs: host("169.254.169.254", "postStart hook"),
  },
  {
    name: "pre-stop",
    spec: withApp({
      lifecycle: {
        preStop: { httpGet: { host: "0.0.0.0", port: 9443, path: "/" } },
      },
    }),
    needs: host("0.0.0.0", "preStop hook"),
  },
  {
    name: "node-shell",
    spec: {
      hostPID: true,
      hostNetwork: true,
      containers: [{
        ...APP,
        securityContext: { privileged: true },
        volumeMounts: [{
          name: "host",
          mountPath: "/host",
          mountPropagation: "Bidirectional",
        }],
      }],
      volumes: [{ name: "host", hostPath: { path: "/" } }],
    },
    needs: [
      { what: "hostNetwork", key: "hostNamespaces" },
      { what: "hostPID", key: "hostNamespaces" },
      { what: 'hostPath volume "host"', key: "hostPath" },
      { what: 'privileged container "app"', key: "privileged" },
      {
        what: 'mount propagation Bidirectional of container "app"',
        key: "privileged",
      },
    ],
  },
];

/** Returns a pod whose one container has fields that no type of this project knows. */
function withUnknown(container: object, more: object = {}): PodSpecInit {
  return { containers: [{ ...APP, ...container }], ...more };
}

/** Pods that are refused whatever the switches are. */
export const UNSUPPORTED_HOST_PODS: readonly UnsupportedHostPod[] = [
  {
    name: "host-port-alone",
    spec: withApp({ ports: [{ containerPort: 80, hostPort: 80 }] }),
    field: "spec.containers[0].ports[0].hostPort",
  },
  {
    name: "app-armor",
    spec: withUnknown({
      securityContext: { appArmorProfile: { type: "Unconfined" } },
    }),
    field: "spec.containers[0].securityContext.appArmorProfile.type",
  },
  {
    name: "se-linux",
    spec: withUnknown({
      securityContext: { seLinuxOptions: { type: "spc_t" } },
    }),
    field: "spec.containers[0].securityContext.seLinuxOptions",
  },
  {
    name: "seccomp-of-host",
    spec: withUnknown({
      securityContext: {
        seccompProfile: { type: "Localhost", localhostProfile: "mine.json" },
      },
    }),
    field: "spec.containers[0].securityContext.seccompProfile.type",
  },
  {
    name: "proc-mount",
    spec: withUnknown({ securityContext: { procMount: "Unmasked" } }, {
      hostUsers: false,
    }),
    field: "spec.containers[0].securityContext.procMount",
  },
  {
    name: "claim",
    spec: withUnknown({}, {
      volumes: [{ name: "disk", persistentVolumeClaim: { claimName: "disk" } }],
    }),
    field: "spec.volumes[0].persistentVolumeClaim",
  },
];

/** A pod with all that the baseline policy allows: it must run although all switches are off. */
export const BASELINE_POD: PodSpecInit = withApp({
  securityContext: {
    runAsUser: 0,
    allowPrivilegeEscalation: true,
    capabilities: { add: ["NET_BIND_SERVICE", "CAP_CHOWN"], drop: ["NET_RAW"] },
    seccompProfile: { type: "RuntimeDefault" },
  },
  volumeMounts: [{ name: "scratch", mountPath: "/scratch", subPath: "a/b" }],
}, {
  shareProcessNamespace: true,
  securityContext: {
    sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "80" }],
  },
  volumes: [{ name: "scratch", emptyDir: {} }],
});

/** Returns the command for the pod "ns/web" with this spec, as the operator would send it. */
export function toHostPodSpec(spec: PodSpecInit): PodSpec {
  const pod = { metadata: { namespace: "ns", name: "web", uid: "u1" }, spec };
  return toPodSpec(pod, {
    findConfigMap: () => undefined,
    findSecret: () => undefined,
    listServices: () => [],
    findToken: () => ({ missing: "none" }),
    allocatable: { cpuMillis: 0, memoryBytes: 0 },
    dns: undefined,
  }).spec;
}

/** Returns how a pod with these needs is refused while all switches are off. */
export function toRefusalMessage(
  podKey: string,
  needs: HostPod["needs"],
): string {
  const keys = new Set(needs.map(({ key }) => `pods.${key}`));
  return `Cannot run pod "${podKey}": it has ${
    needs.map(({ what }) => what).join(", ")
  }, turned off by the device's owner (${
    [...keys].join(", ")
  }: false in agent.yaml)`;
}

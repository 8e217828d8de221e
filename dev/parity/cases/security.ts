// SPDX-License-Identifier: Apache-2.0
/** Security contexts, as the kernel enforces them. */
import {
  FAILED,
  type PodCase,
  type PodFields,
  READY,
  SUCCEEDED,
} from "../pod_case.ts";
import { IMAGES } from "../../world/mod.ts";
import { podOf, server, sh, shell } from "./containers.ts";

const WHO =
  "id; grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status";
const shows = (securityContext: object, fields: Partial<PodFields> = {}) =>
  podOf(shell(WHO, { securityContext }), { restartPolicy: "Never", ...fields });
const logged = [SUCCEEDED, { as: "identity", logs: [] }];
const waits = [{ until: { waiting: "CreateContainerConfigError" } }];

/** Users, groups, capabilities, profiles and read-only roots. */
export const SECURITY: PodCase[] = [
  { name: "sec-default", spec: shows({}), steps: logged, isFast: true },
  {
    name: "sec-user",
    spec: shows({ runAsUser: 1000 }),
    steps: logged,
    isFast: true,
  },
  {
    name: "sec-user-group",
    spec: shows({ runAsUser: 1000, runAsGroup: 3000 }),
    steps: logged,
    isFast: true,
  },
  {
    name: "sec-user-without-entry",
    spec: shows({ runAsUser: 4711 }),
    steps: logged,
  },
  {
    name: "sec-pod-user",
    spec: shows({}, {
      securityContext: {
        runAsUser: 1000,
        runAsGroup: 3000,
        supplementalGroups: [4000, 5000],
        fsGroup: 2000,
      },
    }),
    steps: logged,
    isFast: true,
  },
  {
    name: "sec-container-over-pod",
    spec: shows({ runAsUser: 2000 }, {
      securityContext: { runAsUser: 1000, runAsGroup: 3000 },
    }),
    steps: logged,
  },
  {
    name: "sec-strict-groups",
    spec: shows({}, {
      securityContext: {
        supplementalGroupsPolicy: "Merge",
        supplementalGroups: [4000],
      },
    }),
    steps: logged,
  },
  {
    name: "sec-drop-all",
    spec: shows({ capabilities: { drop: ["ALL"] } }),
    steps: logged,
    isFast: true,
  },
  {
    name: "sec-drop-all-add-one",
    spec: shows({ capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } }),
    steps: logged,
    isFast: true,
  },
  {
    name: "sec-add-net-admin",
    spec: shows({ capabilities: { add: ["NET_ADMIN", "SYS_TIME"] } }),
    steps: logged,
  },
  {
    name: "sec-capabilities-as-user",
    spec: shows({ runAsUser: 1000, capabilities: { add: ["NET_ADMIN"] } }),
    steps: logged,
  },
  {
    name: "sec-unknown-capability",
    spec: shows({ capabilities: { add: ["NOT_A_CAPABILITY"] } }),
    steps: logged,
  },
  {
    name: "sec-privileged",
    spec: podOf(
      shell(`${WHO}; test -e /dev/kmsg; echo $?`, {
        securityContext: { privileged: true },
      }),
      { restartPolicy: "Never" },
    ),
    steps: logged,
  },
  {
    name: "sec-no-new-privileges",
    spec: shows({ allowPrivilegeEscalation: false }),
    steps: logged,
    isFast: true,
  },
  {
    name: "sec-seccomp-default",
    spec: shows({ seccompProfile: { type: "RuntimeDefault" } }),
    steps: logged,
  },
  {
    name: "sec-seccomp-unconfined",
    spec: shows({ seccompProfile: { type: "Unconfined" } }),
    steps: logged,
  },
  {
    name: "sec-read-only-root",
    spec: podOf(
      shell(
        "exec 2>&1; touch /x; echo $?; touch /tmp/x; echo $?; echo ok > /dev/termination-log; echo $?; touch /dev/shm/x; echo $?",
        { securityContext: { readOnlyRootFilesystem: true } },
      ),
      { restartPolicy: "Never" },
    ),
    steps: logged,
    isFast: true,
  },
  {
    name: "sec-non-root-image-root",
    spec: shows({ runAsNonRoot: true }),
    steps: waits,
    isFast: true,
  },
  {
    name: "sec-non-root-user-0",
    spec: shows({ runAsNonRoot: true, runAsUser: 0 }),
    steps: waits,
  },
  {
    name: "sec-non-root-user-1000",
    spec: shows({ runAsNonRoot: true, runAsUser: 1000 }),
    steps: logged,
    isFast: true,
  },
  {
    name: "sec-non-root-image-user",
    spec: {
      restartPolicy: "Never",
      containers: [{
        name: "c",
        image: IMAGES.configured,
        securityContext: { runAsNonRoot: true },
      }],
    },
    steps: logged,
    isFast: true,
  },
  {
    name: "sec-proc-mount",
    spec: podOf(
      shell(
        "for p in kcore keys timer_list sys; do ls -ld /proc/$p | cut -c1-10; grep \" /proc/$p \" /proc/mounts | cut -d' ' -f2,3; done; grep ' /sys' /proc/mounts | cut -d' ' -f2,3,4 | sed 's/,.*//' | sort",
      ),
      { restartPolicy: "Never" },
    ),
    steps: logged,
  },
  {
    name: "sec-sysctl",
    spec: podOf(shell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), {
      restartPolicy: "Never",
      securityContext: {
        sysctls: [{
          name: "net.ipv4.ip_unprivileged_port_start",
          value: "1000",
        }],
      },
    }),
    steps: logged,
  },
  {
    name: "sec-sysctl-default",
    spec: podOf(
      shell(
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range",
      ),
      { restartPolicy: "Never" },
    ),
    steps: logged,
  },
  {
    name: "sec-sysctl-forbidden",
    spec: podOf(server(), {
      securityContext: { sysctls: [{ name: "kernel.msgmax", value: "65536" }] },
    }),
    steps: [FAILED],
  },
  {
    name: "sec-shared-processes",
    spec: {
      shareProcessNamespace: true,
      containers: [server({ name: "a" }), server()],
    },
    steps: [READY, {
      as: "processes",
      exec: sh("ps -o args | grep -vE 'ps -o|grep|sleep' | cut -c1-40"),
      flags: ["-c", "c"],
    }],
  },
  {
    name: "sec-host-network",
    spec: podOf(
      shell("hostname; ls /sys/class/net | grep -c eth0; sleep 3600"),
      { hostNetwork: true },
    ),
    steps: [READY, { as: "log", logs: [] }],
  },
  {
    name: "sec-host-pid",
    spec: podOf(server(), { hostPID: true }),
    steps: [READY, {
      as: "processes",
      exec: sh("test $(ps | wc -l) -gt 5; echo $?"),
    }],
  },
  { name: "sec-host-ipc", spec: podOf(server(), { hostIPC: true }) },
  {
    name: "sec-apparmor",
    spec: shows({ appArmorProfile: { type: "Unconfined" } }),
    steps: logged,
  },
];

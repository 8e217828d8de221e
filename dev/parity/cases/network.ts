// SPDX-License-Identifier: Apache-2.0
/** Names, addresses and files of the network; resources and quality of service. */
import { type PodCase, type PodFields, READY, SUCCEEDED } from "../pod_case.ts";
import { podOf, server, service, sh, shell } from "./containers.ts";

const FILES =
  "hostname; hostname -f; echo; cat /etc/hosts; echo; cat /etc/resolv.conf; echo; cat /etc/hostname; stat -c '%a %u:%g %n' /etc/hosts /etc/resolv.conf /etc/hostname";
const shows = (fields: Partial<PodFields>) =>
  podOf(shell(FILES), { restartPolicy: "Never", ...fields });
const logged = [SUCCEEDED, { as: "files", logs: [] }];
const LONG =
  "a-name-that-is-longer-than-the-sixty-three-characters-of-a-host-name-and-more";

/** Host names, hosts and resolv.conf, ports. */
export const NETWORK: PodCase[] = [
  { name: "net-default", spec: shows({}), steps: logged, isFast: true },
  {
    name: "net-hostname",
    spec: shows({ hostname: "own-name" }),
    steps: logged,
    isFast: true,
  },
  {
    name: "net-subdomain",
    spec: shows({ hostname: "own-name", subdomain: "sub" }),
    steps: logged,
    isFast: true,
  },
  {
    name: "net-fqdn",
    spec: shows({
      hostname: "own-name",
      subdomain: "sub",
      setHostnameAsFQDN: true,
    }),
    steps: logged,
  },
  {
    name: "net-subdomain-only",
    spec: shows({ subdomain: "sub" }),
    steps: logged,
  },
  { name: LONG, spec: shows({}), steps: logged },
  { name: "net-dotted.name", spec: shows({}), steps: logged },
  {
    name: "net-host-aliases",
    spec: shows({
      hostAliases: [{ ip: "10.1.2.3", hostnames: ["one", "two"] }, {
        ip: "10.1.2.4",
        hostnames: ["three"],
      }],
    }),
    steps: logged,
    isFast: true,
  },
  {
    name: "net-dns-default",
    spec: shows({ dnsPolicy: "Default" }),
    steps: logged,
  },
  {
    name: "net-dns-none",
    spec: shows({
      dnsPolicy: "None",
      dnsConfig: {
        nameservers: ["10.9.9.9", "10.9.9.8"],
        searches: ["one.example", "two.example"],
        options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
      },
    }),
    steps: logged,
    isFast: true,
  },
  {
    name: "net-dns-cluster-first-added",
    spec: shows({
      dnsConfig: {
        nameservers: ["10.9.9.9"],
        searches: ["more.example"],
        options: [{ name: "ndots", value: "3" }],
      },
    }),
    steps: logged,
    isFast: true,
  },
  {
    name: "net-dns-host-network",
    spec: podOf(
      shell(
        FILES.replace(
          "hostname; hostname -f; echo; cat /etc/hosts; echo; ",
          "",
        ),
      ),
      {
        restartPolicy: "Never",
        hostNetwork: true,
        dnsPolicy: "ClusterFirstWithHostNet",
      },
    ),
    steps: logged,
  },
  {
    name: "net-hosts-after-restart",
    spec: podOf(
      shell("grep -c own /etc/hosts; echo 10.0.0.1 own >> /etc/hosts; exit 1"),
    ),
    steps: [{ until: { restarts: 1 } }, { as: "log", logs: [] }],
  },
  {
    name: "net-container-port",
    spec: podOf(
      shell("echo ok > /tmp/i; exec httpd -f -p 8080 -h /tmp", {
        ports: [{ name: "web", containerPort: 8080, protocol: "TCP" }],
      }),
    ),
    steps: [READY, {
      as: "get",
      exec: sh("wget -qO- http://127.0.0.1:8080/i"),
    }],
    isFast: true,
  },
  {
    name: "net-host-port",
    spec: podOf(server({ ports: [{ containerPort: 8080, hostPort: 18080 }] })),
  },
  {
    name: "net-between-containers",
    spec: {
      containers: [
        shell("echo ok > /tmp/i; exec httpd -f -p 8080 -h /tmp", { name: "a" }),
        server(),
      ],
    },
    steps: [READY, {
      as: "get",
      exec: sh("wget -qO- http://localhost:8080/i"),
      flags: ["-c", "c"],
    }],
  },
  {
    name: "net-devices",
    spec: podOf(
      shell(
        "ls /dev | sort; ls -l /dev/null | cut -c1-10; grep ' /dev' /proc/mounts | cut -d' ' -f2,3 | sort; grep MemTotal /proc/meminfo >/dev/null; df -k /dev/shm | tail -1 | awk '{print $2}'",
      ),
      { restartPolicy: "Never" },
    ),
    steps: logged,
  },
];

const CGROUP =
  "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares pids/pids.max; cat /proc/self/oom_score_adj; ulimit -n; ulimit -c";
const limited = (resources: object, fields: Partial<PodFields> = {}) =>
  podOf(shell(CGROUP, { resources }), { restartPolicy: "Never", ...fields });
const small = { cpu: "50m", memory: "16Mi" };

/** Requests, limits, quality of service, and what the node refuses. */
export const RESOURCES: PodCase[] = [
  { name: "res-none", spec: limited({}), steps: logged, isFast: true },
  {
    name: "res-guaranteed",
    spec: limited({ limits: small }),
    steps: logged,
    isFast: true,
  },
  {
    name: "res-burstable",
    spec: limited({ requests: { cpu: "10m" } }),
    steps: logged,
    isFast: true,
  },
  {
    name: "res-burstable-limits",
    spec: limited({ requests: small, limits: { cpu: "100m", memory: "32Mi" } }),
    steps: logged,
    isFast: true,
  },
  {
    name: "res-limit-memory-only",
    spec: limited({ limits: { memory: "24Mi" } }),
    steps: logged,
  },
  {
    name: "res-two-containers",
    spec: {
      restartPolicy: "Never",
      containers: [
        shell(CGROUP, { name: "a", resources: { limits: small } }),
        shell(CGROUP, { resources: {} }),
      ],
    },
    steps: [SUCCEEDED, { as: "a", logs: ["-c", "a"] }, {
      as: "c",
      logs: ["-c", "c"],
    }],
  },
  {
    name: "res-pod-level",
    spec: {
      ...limited({}),
      resources: { limits: { cpu: "100m", memory: "32Mi" } },
    },
    steps: logged,
  },
  {
    name: "res-init-larger",
    spec: {
      ...service({ resources: { requests: { cpu: "10m" } } }),
      initContainers: [
        shell("true", { name: "i", resources: { requests: { cpu: "100m" } } }),
      ],
    },
    steps: [READY],
  },
  {
    name: "res-cpu-larger-than-node",
    spec: limited({ requests: { cpu: "500" } }),
    steps: [{ until: { phase: "Failed" }, timeoutMs: 20_000 }],
  },
  {
    name: "res-memory-larger-than-node",
    spec: limited({ requests: { memory: "900Gi" } }),
    steps: [{ until: { phase: "Failed" }, timeoutMs: 20_000 }],
  },
  {
    name: "res-unknown-resource",
    spec: limited({ limits: { "example.org/gadget": "1" } }),
    steps: logged,
  },
  {
    name: "res-ephemeral-storage",
    spec: limited({
      requests: { "ephemeral-storage": "10Mi" },
      limits: { "ephemeral-storage": "50Mi" },
    }),
    steps: logged,
  },
  {
    name: "res-resized",
    spec: podOf(
      server({
        resources: { requests: { cpu: "20m" }, limits: { cpu: "100m" } },
      }),
    ),
    steps: [READY, {
      subresource: "resize",
      patch: {
        spec: {
          containers: [{
            name: "c",
            resources: { requests: { cpu: "30m" }, limits: { cpu: "200m" } },
          }],
        },
      },
    }, { as: "quota", exec: ["cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] }],
  },
  {
    name: "res-huge-pages",
    spec: limited({ limits: { ...small, "hugepages-2Mi": "2Mi" } }),
    steps: [{ until: { phase: "Failed" }, timeoutMs: 20_000 }],
  },
];

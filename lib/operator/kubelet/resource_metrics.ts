// SPDX-License-Identifier: Apache-2.0
/** /metrics/resource: the few figures that metrics-server reads, in Prometheus' text format (kubelet pkg/kubelet/metrics/collectors/resource_metrics.go@v1.34). */

/** Content type of the text. */
export const METRICS_CONTENT_TYPE =
  "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

interface Family {
  name: string;
  type: "counter" | "gauge";
  help: string;
  lines: string[];
}

/** Renders the figures; undefined renders that they could not be had. */
export function renderResourceMetrics(
  summary: StatsSummary | undefined,
): string {
  const families = createFamilies();
  if (summary) collect(summary, families);
  const failed = summary ? 0 : 1;
  families.scrapeError.lines.push(`resource_scrape_error ${failed}`);
  return Object.values(families).filter((family) => family.lines.length > 0)
    .map(({ name, type, help, lines }) =>
      [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""]
        .join("\n")
    ).join("");
}

function collect(
  summary: StatsSummary,
  families: ReturnType<typeof createFamilies>,
): void {
  addCpu(families.nodeCpu, summary.node.cpu);
  addMemory(families.nodeMemory, summary.node.memory);
  for (const pod of summary.pods) {
    const { name, namespace } = pod.podRef;
    const labels = { namespace, pod: name };
    addCpu(families.podCpu, pod.cpu, labels);
    addMemory(families.podMemory, pod.memory, labels);
    for (const container of pod.containers) {
      const own = { container: container.name, ...labels };
      addCpu(families.containerCpu, container.cpu, own);
      addMemory(families.containerMemory, container.memory, own);
      const startedMs = Date.parse(container.startTime);
      if (startedMs > 0) {
        add(families.containerStart, startedMs / 1000, { labels: own });
      }
    }
  }
}

function createFamilies() {
  const family = (
    name: string,
    type: "counter" | "gauge",
    help: string,
  ): Family => ({ name, type, help, lines: [] });
  const cpu = "CPU time used since the start, in seconds on one core";
  const memory = "Working set, in bytes";
  return {
    containerCpu: family("container_cpu_usage_seconds_total", "counter", cpu),
    containerMemory: family(
      "container_memory_working_set_bytes",
      "gauge",
      memory,
    ),
    containerStart: family(
      "container_start_time_seconds",
      "gauge",
      "Start of the container, in seconds since 1970",
    ),
    nodeCpu: family("node_cpu_usage_seconds_total", "counter", cpu),
    nodeMemory: family("node_memory_working_set_bytes", "gauge", memory),
    podCpu: family("pod_cpu_usage_seconds_total", "counter", cpu),
    podMemory: family("pod_memory_working_set_bytes", "gauge", memory),
    scrapeError: family(
      "resource_scrape_error",
      "gauge",
      "1 if the figures could not be had, else 0",
    ),
  };
}

function addCpu(
  family: Family,
  cpu: CpuStats | undefined,
  labels: Record<string, string> = {},
): void {
  if (!cpu) return;
  const timeMs = Date.parse(cpu.time);
  add(family, cpu.usageCoreNanoSeconds / 1e9, { labels, timeMs });
}

function addMemory(
  family: Family,
  memory: MemoryStats | undefined,
  labels: Record<string, string> = {},
): void {
  if (!memory) return;
  const timeMs = Date.parse(memory.time);
  add(family, memory.workingSetBytes, { labels, timeMs });
}

function add(
  family: Family,
  value: number,
  { labels, timeMs }: { labels: Record<string, string>; timeMs?: number },
): void {
  const pairs = Object.entries(labels).map(([name, text]) =>
    `${name}="${escapeLabel(text)}"`
  );
  const subject = pairs.length > 0 ? `{${pairs.join(",")}}` : "";
  const time = timeMs === undefined ? "" : ` ${timeMs}`;
  family.lines.push(`${family.name}${subject} ${value}${time}`);
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll(
    "\n",
    "\\n",
  );
}

// The Summary API's shapes (kubelet stats/v1alpha1), as far as they are filled here.

/** The whole answer of /stats/summary. */
export interface StatsSummary {
  /** The device. */
  node: NodeStats;
  /** Those that have containers running. */
  pods: PodStats[];
}

/** Figures of the device itself. */
export interface NodeStats {
  /** The node's name. */
  nodeName: string;
  /** RFC 3339. */
  startTime: string;
  /** Processor time, where known. */
  cpu?: CpuStats;
  /** Memory, where known. */
  memory?: MemoryStats;
  /** The root file system, where known. */
  fs?: FsStats;
}

/** Figures of one pod. */
export interface PodStats {
  /** Which pod. */
  podRef: { name: string; namespace: string; uid: string };
  /** RFC 3339. */
  startTime: string;
  /** Its containers that run. */
  containers: StatsOfContainer[];
  /** Processor time, where known. */
  cpu?: CpuStats;
  /** Memory, where known. */
  memory?: MemoryStats;
  /** Its traffic, where known. */
  network?: NetworkStats;
}

/** Figures of one container. */
export interface StatsOfContainer {
  /** The container's name. */
  name: string;
  /** RFC 3339. */
  startTime: string;
  /** Processor time, where known. */
  cpu?: CpuStats;
  /** Memory, where known. */
  memory?: MemoryStats;
}

/** Processor time. */
export interface CpuStats {
  /** When it was read, RFC 3339. */
  time: string;
  /** Rate since the reading before, in billionths of a core; absent at the first one. */
  usageNanoCores?: number;
  /** Since the start, in nanoseconds on one core. */
  usageCoreNanoSeconds: number;
}

/** Memory, in bytes. */
export interface MemoryStats {
  /** When it was read, RFC 3339. */
  time: string;
  /** Left for use, where known. */
  availableBytes?: number;
  /** In use and not easily given back. */
  workingSetBytes: number;
  /** Anonymous memory, where known. */
  rssBytes?: number;
}

/** A file system, in bytes. */
export interface FsStats {
  /** When it was read, RFC 3339. */
  time: string;
  /** Left for use. */
  availableBytes: number;
  /** In all. */
  capacityBytes: number;
  /** In use. */
  usedBytes: number;
}

/** Traffic of the pod's network namespace since its start, in bytes. */
export interface NetworkStats {
  /** When it was read, RFC 3339. */
  time: string;
  /** Received. */
  rxBytes: number;
  /** Sent. */
  txBytes: number;
}

// SPDX-License-Identifier: Apache-2.0
/** /metrics/resource: what metrics-server reads, in Prometheus' text format (kubelet
 * pkg/kubelet/metrics/collectors/resource_metrics.go@v1.34). */
import type { CpuStats, MemoryStats, StatsSummary } from "./stats_summary.ts";

/** Content type of the metrics. */
export const METRICS_CONTENT_TYPE =
  "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

interface Family {
  name: string;
  type: "counter" | "gauge";
  help: string;
  lines: string[];
}

/** Renders statistics as metrics; undefined renders a failed scrape. */
export function renderResourceMetrics(
  summary: StatsSummary | undefined,
): string {
  const families = createFamilies();
  if (summary) addSummary(summary, families);
  const failed = summary ? 0 : 1;
  families.scrapeError.lines.push(`resource_scrape_error ${failed}`);
  return Object.values(families).filter((family) => family.lines.length > 0)
    .map(({ name, type, help, lines }) =>
      [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""]
        .join("\n")
    ).join("");
}

function addSummary(
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
        addSample(families.containerStart, startedMs / 1000, { labels: own });
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
      "1 if reading the statistics failed, else 0",
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
  addSample(family, cpu.usageCoreNanoSeconds / 1e9, { labels, timeMs });
}

function addMemory(
  family: Family,
  memory: MemoryStats | undefined,
  labels: Record<string, string> = {},
): void {
  if (!memory) return;
  const timeMs = Date.parse(memory.time);
  addSample(family, memory.workingSetBytes, { labels, timeMs });
}

function addSample(
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

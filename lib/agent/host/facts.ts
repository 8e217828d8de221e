// SPDX-License-Identifier: Apache-2.0
/** Facts and resource usage of the machine. */
import { runProgram } from "./program.ts";

/**
 * Prints files of /proc, /sys and /etc, and the file systems of its arguments; of a path that
 * doesn't exist, the nearest parent that does. A shell reads them because Deno denies reading /proc
 * and /sys unless all permissions are granted.
 */
const SCRIPT = `
show() { echo "== $1"; cat "$2" 2>/dev/null; echo; }
show machine-id /etc/machine-id
show boot-id /proc/sys/kernel/random/boot_id
show os-release /etc/os-release
show route /proc/net/route
show stat /proc/stat
show uptime /proc/uptime
show loadavg /proc/loadavg
show pid-max /proc/sys/kernel/pid_max
for path in "$@"; do
  while [ ! -e "$path" ] && [ "$path" != / ]; do path=$(dirname "$path"); done
  echo "== disk"; df -Pk "$path" 2>/dev/null | tail -n 1
done
`;

/** The kernel counts CPU time for programs in 1/100 s (USER_HZ) on every supported architecture. */
const NANOS_PER_TICK = 10_000_000;
const GO_ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};
/** Network interfaces of loopback, containers, virtual machines and tunnels. */
const INNER_INTERFACES =
  /^(?:lo|docker|br-|veth|cni|flannel|cali|virbr|tap|tun)/;
const INNER_ADDRESSES = /^(?:127\.|169\.254\.|::1$|fe80:)/i;

/** Facts and resource usage of a machine. */
export interface HostFacts {
  os: string;
  /** Go's name, e.g. "amd64". */
  arch: string;
  kernelVersion: string;
  /** Name of the distribution, e.g. "Debian GNU/Linux 12 (bookworm)". */
  osImage: string;
  /** Empty when the machine has none. */
  machineId: string;
  /** Differs after each boot. */
  bootId: string;
  hostname: string;
  /** IP addresses that others may reach, that of the default route first. */
  addresses: string[];
  cpuCount: number;
  memoryBytes: number;
  memoryAvailableBytes: number;
  /** Busy time of all CPUs since boot. */
  cpuTotalNanos: number;
  bootTimeUnixMs: number;
  threadCount: number;
  /** Upper bound of the number of threads; 0: unknown. */
  threadLimit: number;
  /** File systems of the given paths, in their order; undefined where `df` printed none. */
  disks: (DiskUsage | undefined)[];
}

/** Usage of a file system. */
export interface DiskUsage {
  capacityBytes: number;
  /** What is left for unprivileged users. */
  availableBytes: number;
  usedBytes: number;
}

/** Options of {@linkcode readHostFacts}. */
export interface ReadHostFactsOptions {
  /** Paths whose file systems are read. */
  paths: string[];
  env: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
}

/** Reads the machine's facts now. @throws {AranyaError} when no shell can be run */
export async function readHostFacts(
  { paths, env, signal }: ReadHostFactsOptions,
): Promise<HostFacts> {
  const { output } = await runProgram("sh", {
    args: ["-c", SCRIPT, "sh", ...paths],
    env,
    signal,
  });
  const memory = Deno.systemMemoryInfo();
  const sections = parseSections(output);
  const section = (name: string) => sections.get(name)?.[0] ?? "";
  const uptimeMs = Number(section("uptime").split(" ")[0] ?? 0) * 1_000;
  return {
    os: Deno.build.os,
    arch: GO_ARCHITECTURES[Deno.build.arch] ?? Deno.build.arch,
    kernelVersion: Deno.osRelease(),
    osImage: parseOsImage(section("os-release")),
    machineId: section("machine-id"),
    bootId: section("boot-id"),
    hostname: Deno.hostname(),
    addresses: selectAddresses(Deno.networkInterfaces(), section("route")),
    cpuCount: navigator.hardwareConcurrency,
    memoryBytes: memory.total,
    memoryAvailableBytes: memory.available,
    cpuTotalNanos: parseCpuNanos(section("stat")),
    bootTimeUnixMs: parseBootTimeMs(section("stat")) ?? Date.now() - uptimeMs,
    threadCount: Number(section("loadavg").match(/\/(\d+)/)?.[1] ?? 0),
    threadLimit: Number(section("pid-max")) || 0,
    disks: (sections.get("disk") ?? []).map(parseDiskUsage),
  };
}

/** Splits at lines "== name"; returns the texts that follow each name. */
function parseSections(text: string): Map<string, string[]> {
  const sections = new Map<string, string[]>();
  for (const section of text.split(/^== /m).slice(1)) {
    const end = section.indexOf("\n");
    const name = section.slice(0, end);
    const known = sections.get(name) ?? [];
    sections.set(name, [...known, section.slice(end + 1).trim()]);
  }
  return sections;
}

/** Returns PRETTY_NAME of os-release(5) without quotes, or "Linux". */
export function parseOsImage(text: string): string {
  const value = text.match(/^PRETTY_NAME=(.*)$/m)?.[1] ?? "";
  return value.replace(/^(["'])(.*)\1$/, "$2") || "Linux";
}

/**
 * Returns the busy time of all CPUs from the "cpu" line of proc_stat(5), whose columns are
 * user nice system idle iowait irq softirq steal.
 */
export function parseCpuNanos(stat: string): number {
  const ticks = stat.match(/^cpu +([\d ]+)$/m)?.[1]?.split(" ").map(Number) ??
    [];
  const busyTicks = ticks.slice(0, 8).reduce(
    (sum, value, column) => column === 3 || column === 4 ? sum : sum + value,
    0,
  );
  return busyTicks * NANOS_PER_TICK;
}

/** Returns "btime" of proc_stat(5) in milliseconds since 1970. */
function parseBootTimeMs(stat: string): number | undefined {
  const seconds = stat.match(/^btime (\d+)$/m)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}

/** Parses a line of `df -Pk`: device, KiB, used, available, share, mount point. */
export function parseDiskUsage(line: string): DiskUsage | undefined {
  const cells = line.match(/^.*?\s(\d+)\s+(\d+)\s+(\d+)\s+\d+%\s/);
  if (!cells) return undefined;
  const [capacityBytes = 0, usedBytes = 0, availableBytes = 0] = cells.slice(1)
    .map((cell) => Number(cell) * 1_024);
  return { capacityBytes, usedBytes, availableBytes };
}

/**
 * Returns addresses that others may reach: IPv4 before IPv6, then the interface of the default
 * route before others. Leaves out loopback, link-local and container addresses.
 * @param routes text of /proc/net/route
 */
export function selectAddresses(
  interfaces: Deno.NetworkInterfaceInfo[],
  routes: string,
): string[] {
  // Destination 0 is the default route.
  const outward = routes.match(/^(\S+)\s+00000000\s/m)?.[1];
  const rank = ({ family, name }: Deno.NetworkInterfaceInfo) =>
    (family === "IPv4" ? 0 : 2) + (name === outward ? 0 : 1);
  const reachable = interfaces.filter(({ name, address }) =>
    !INNER_INTERFACES.test(name) && !INNER_ADDRESSES.test(address)
  );
  reachable.sort((left, right) => rank(left) - rank(right));
  return [...new Set(reachable.map(({ address }) => address))];
}

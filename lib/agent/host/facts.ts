// SPDX-License-Identifier: Apache-2.0
/**
 * What the machine says of itself. /proc and /sys are closed to a permission set, whatever it reads, so one small shell
 * script prints the files; the rest comes from Deno's own calls.
 */
import { runProgram } from "./program.ts";

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

/** Processor time is counted in hundredths of a second towards programs on every architecture we serve (USER_HZ). */
const NANOS_PER_TICK = 10_000_000;
const GO_ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};
/** Links that lead into containers or nowhere. */
const INNER_LINKS = /^(?:lo|docker|br-|veth|cni|flannel|cali|virbr|tap|tun)/;

/** A reading of the machine. */
export interface HostReading {
  os: string;
  /** Go's name. */
  arch: string;
  kernelVersion: string;
  osImage: string;
  /** Empty when the machine has none. */
  machineId: string;
  bootId: string;
  hostname: string;
  /** The machine's own addresses, that of the default route first. */
  addresses: string[];
  cpuCount: number;
  memoryBytes: number;
  memoryAvailableBytes: number;
  /** All processors together since boot, idle time not counted. */
  cpuTotalNanos: number;
  bootTimeUnixMs: number;
  /** Threads that exist, and how many there may be (0: unknown). */
  threadCount: number;
  threadLimit: number;
  /** File systems of the paths asked for, in their order; undefined where `df` knew nothing. */
  disks: (DiskReading | undefined)[];
}

/** One file system. */
export interface DiskReading {
  capacityBytes: number;
  availableBytes: number;
  usedBytes: number;
}

/** Options of {@linkcode readHost}. */
export interface ReadHostOptions {
  /** Paths whose file systems are looked at; the nearest parent that exists counts. */
  paths: string[];
  env: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
}

/** Reads the machine. @throws {AranyaError} when even a shell can't be run */
export async function readHost(options: ReadHostOptions): Promise<HostReading> {
  const { output } = await runProgram("sh", {
    args: ["-c", SCRIPT, "sh", ...options.paths],
    env: options.env,
    signal: options.signal,
  });
  const memory = Deno.systemMemoryInfo();
  const parts = parseSections(output);
  const part = (name: string) => parts.get(name)?.[0] ?? "";
  const upMs = Number(part("uptime").split(" ")[0] ?? 0) * 1_000;
  return {
    os: Deno.build.os,
    arch: GO_ARCHITECTURES[Deno.build.arch] ?? Deno.build.arch,
    kernelVersion: Deno.osRelease(),
    osImage: osImageOf(part("os-release")),
    machineId: part("machine-id"),
    bootId: part("boot-id"),
    hostname: Deno.hostname(),
    addresses: pickAddresses(Deno.networkInterfaces(), part("route")),
    cpuCount: navigator.hardwareConcurrency,
    memoryBytes: memory.total,
    memoryAvailableBytes: memory.available,
    cpuTotalNanos: cpuNanosOf(part("stat")),
    bootTimeUnixMs: bootTimeOf(part("stat")) ?? Date.now() - upMs,
    threadCount: Number(part("loadavg").match(/\/(\d+)/)?.[1] ?? 0),
    threadLimit: Number(part("pid-max")) || 0,
    disks: (parts.get("disk") ?? []).map(diskOf),
  };
}

/** "== name" lines and what follows each. */
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

/** PRETTY_NAME of os-release(5). */
export function osImageOf(text: string): string {
  const value = text.match(/^PRETTY_NAME=(.*)$/m)?.[1] ?? "";
  return value.replace(/^(["'])(.*)\1$/, "$2") || "Linux";
}

/** The "cpu" line of proc_stat(5): user nice system idle iowait irq softirq steal. */
export function cpuNanosOf(stat: string): number {
  const ticks = stat.match(/^cpu +([\d ]+)$/m)?.[1]?.split(" ").map(Number) ??
    [];
  const busy = ticks.slice(0, 8).reduce(
    (sum, value, column) => column === 3 || column === 4 ? sum : sum + value,
    0,
  );
  return busy * NANOS_PER_TICK;
}

function bootTimeOf(stat: string): number | undefined {
  const seconds = stat.match(/^btime (\d+)$/m)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}

/** A line of `df -Pk`: device, KiB, used, available, share, mount point. */
export function diskOf(line: string): DiskReading | undefined {
  const cells = line.match(/^.*?\s(\d+)\s+(\d+)\s+(\d+)\s+\d+%\s/);
  if (!cells) return undefined;
  const [capacity = 0, used = 0, available = 0] = cells.slice(1).map((cell) =>
    Number(cell) * 1_024
  );
  return {
    capacityBytes: capacity,
    usedBytes: used,
    availableBytes: available,
  };
}

/** Addresses that others may reach: IPv4 before IPv6, the default route's link before others; no loopback, link-local or container links. */
export function pickAddresses(
  links: Deno.NetworkInterfaceInfo[],
  route: string,
): string[] {
  // Destination 0 in proc's routing table is the default route.
  const outward = route.match(/^(\S+)\s+00000000\s/m)?.[1];
  const rank = (link: Deno.NetworkInterfaceInfo) =>
    (link.family === "IPv4" ? 0 : 2) + (link.name === outward ? 0 : 1);
  const own = links.filter((link) =>
    !INNER_LINKS.test(link.name) &&
    !/^(?:127\.|169\.254\.|::1$|fe80:)/i.test(link.address)
  );
  own.sort((left, right) => rank(left) - rank(right));
  return [...new Set(own.map((link) => link.address))];
}

// SPDX-License-Identifier: Apache-2.0
/** Facts and resource usage of the machine. */
import { stat, statfs } from "node:fs";
import { promisify } from "node:util";
import { toSafeText } from "../../shared/base/mod.ts";
import { runProgram } from "./program.ts";

/**
 * Files to read. A single program prints them all, because Deno denies reading /proc unless all
 * permissions are granted, and because this is repeated for as long as the device runs.
 */
const FILES = {
  machineId: "/etc/machine-id",
  bootId: "/proc/sys/kernel/random/boot_id",
  osRelease: "/etc/os-release",
  route: "/proc/net/route",
  stat: "/proc/stat",
  uptime: "/proc/uptime",
  loadavg: "/proc/loadavg",
  pidMax: "/proc/sys/kernel/pid_max",
} as const;
const MAX_FILE_LINES = 10_000;

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

/** What is reported of os-release(5), in characters. */
const MAX_OS_IMAGE_LENGTH = 256;
/** Addresses of each family. A machine may have thousands, but the report has to stay small. */
const MAX_ADDRESS_COUNT = 16;

/** Memory and disks of a machine. */
export interface HostUsage {
  memoryBytes: number;
  memoryAvailableBytes: number;
  /** File systems of the given paths, in their order; undefined where they can't be read. */
  disks: (DiskUsage | undefined)[];
}

/** Facts and resource usage of a machine. */
export interface HostFacts extends HostUsage {
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
  /** As of {@linkcode selectAddresses}. */
  addresses: string[];
  cpuCount: number;
  /** Busy time of all CPUs since boot. */
  cpuTotalNanos: number;
  bootTimeUnixMs: number;
  threadCount: number;
  /** Upper bound of the number of threads; 0: unknown. */
  threadLimit: number;
}

/** Usage of a file system. */
export interface DiskUsage {
  capacityBytes: number;
  /** What is left for unprivileged users. */
  availableBytes: number;
  usedBytes: number;
  /** 0 when the file system does not count inodes. */
  inodeCount: number;
  freeInodeCount: number;
  /** Equal for two paths on the same file system. */
  deviceId: number;
}

/** Options of {@linkcode readHostFacts}. */
export interface ReadHostFactsOptions {
  /** Paths whose file systems are read. */
  paths: string[];
  env: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
}

/** Reads the machine's facts now. @throws {AranyaError} when the program `head` can't be run */
export async function readHostFacts(
  { paths, env, signal }: ReadHostFactsOptions,
): Promise<HostFacts> {
  // Its exit code is 1 when a file does not exist; the others are printed.
  const { output } = await runProgram("head", {
    args: ["-v", "-n", String(MAX_FILE_LINES), ...Object.values(FILES)],
    env,
    signal,
  });
  const sections = parseSections(output);
  const section = (name: keyof typeof FILES) => sections.get(FILES[name]) ?? "";
  const uptimeMs = Number(section("uptime").split(" ")[0] ?? 0) * 1_000;
  return {
    os: Deno.build.os,
    arch: GO_ARCHITECTURES[Deno.build.arch] ?? Deno.build.arch,
    kernelVersion: Deno.osRelease(),
    osImage: parseOsImage(section("osRelease")),
    machineId: section("machineId"),
    bootId: section("bootId"),
    hostname: Deno.hostname(),
    addresses: selectAddresses(Deno.networkInterfaces(), section("route")),
    cpuCount: navigator.hardwareConcurrency,
    ...await readHostUsage(paths),
    cpuTotalNanos: parseCpuNanos(section("stat")),
    bootTimeUnixMs: parseBootTimeMs(section("stat")) ?? Date.now() - uptimeMs,
    threadCount: Number(section("loadavg").match(/\/(\d+)/)?.[1] ?? 0),
    threadLimit: Number(section("pidMax")) || 0,
  };
}

/** Reads memory and disks now, without running a program. */
export async function readHostUsage(paths: string[]): Promise<HostUsage> {
  const { total, available } = Deno.systemMemoryInfo();
  return {
    memoryBytes: total,
    memoryAvailableBytes: available,
    disks: await Promise.all(paths.map(readDiskUsage)),
  };
}

/** Splits what `head -v` printed; returns the text of each file by its path. */
export function parseSections(text: string): Map<string, string> {
  const parts = text.split(/^==> (\/.*) <==$/m).slice(1);
  const sections = new Map<string, string>();
  for (let index = 0; index < parts.length; index += 2) {
    sections.set(parts[index] ?? "", (parts[index + 1] ?? "").trim());
  }
  return sections;
}

/** Returns PRETTY_NAME of os-release(5) without quotes and not too long, or "Linux". */
export function parseOsImage(text: string): string {
  const value = text.match(/^PRETTY_NAME=(.*)$/m)?.[1] ?? "";
  const name = value.replace(/^(["'])(.*)\1$/, "$2") || "Linux";
  return toSafeText(name, { maxLength: MAX_OS_IMAGE_LENGTH });
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

/**
 * Returns the usage of the file system of a path; undefined when it can't be read. An absent path
 * is not looked up at its parent: the folder of an engine on another machine, or outside the
 * agent's container, is on none of the file systems here.
 */
async function readDiskUsage(path: string): Promise<DiskUsage | undefined> {
  try {
    const { bsize, blocks, bfree, bavail, files, ffree } = await promisify(
      statfs,
    )(path);
    const { dev } = await promisify(stat)(path);
    return {
      capacityBytes: blocks * bsize,
      usedBytes: (blocks - bfree) * bsize,
      availableBytes: bavail * bsize,
      inodeCount: files,
      freeInodeCount: ffree,
      deviceId: dev,
    };
  } catch {
    return undefined;
  }
}

/**
 * Returns addresses that others may reach: IPv4 before IPv6, then the interface of the default
 * route before others. Leaves out loopback, link-local and container addresses, and all but the
 * first 16 of each family.
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
  const addresses = [...new Set(reachable.map(({ address }) => address))];
  const { IPv4 = [], IPv6 = [] } = Object.groupBy(
    addresses,
    (address) => address.includes(":") ? "IPv6" : "IPv4",
  );
  return [IPv4, IPv6].flatMap((one) => one.slice(0, MAX_ADDRESS_COUNT));
}

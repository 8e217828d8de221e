// SPDX-License-Identifier: Apache-2.0
/**
 * The control plane's programs: from KUBEBUILDER_ASSETS, PATH, the cache, the official downloads,
 * or a build from Go modules, in this order.
 */
import { hasCode } from "../../lib/shared/base/mod.ts";
import { ensureCached, isCached } from "./cache.ts";
import { download, downloadText } from "./download.ts";
import { buildEtcd, buildKubernetes, KUBERNETES_PROGRAMS } from "./go_build.ts";
import { join } from "../base/paths.ts";
import { findOnPath, run, tryRun } from "../base/run.ts";
import { type Progress, warn, withProgress } from "../base/terminal.ts";

const DEFAULT_KUBERNETES = "1.36.3";
const ETCD_VERSION = "3.6.16";
const ARCH = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

/** Options of everything that may download or build. */
export interface ProgramOptions {
  /** Ends a download or build; its reason is thrown. */
  signal?: AbortSignal | undefined;
}

/**
 * Returns the Kubernetes version of the test world: `ARANYA_KUBERNETES` without `v`, else the
 * version in KUBEBUILDER_ASSETS, else the default.
 */
export function kubernetesVersion(): Promise<string> {
  return remember("version", async () => {
    const asked = Deno.env.get("ARANYA_KUBERNETES");
    if (asked) return asked.replace(/^v/, "");
    const assets = Deno.env.get("KUBEBUILDER_ASSETS");
    const found = assets &&
      await versionOf(join(assets, "kube-apiserver")).catch(() => undefined);
    return found || DEFAULT_KUBERNETES;
  });
}

const resolved = new Map<string, Promise<string>>();

/**
 * Returns the path of one of {@linkcode KUBERNETES_PROGRAMS}; downloads or builds it unless it is
 * there.
 */
export async function kubernetesProgram(
  name: string,
  options: ProgramOptions = {},
): Promise<string> {
  const version = await kubernetesVersion();
  const isAsked = Boolean(Deno.env.get("ARANYA_KUBERNETES"));
  const installed = await remember(
    `installed ${name}`,
    async () =>
      await findInstalled(
        name,
        (found) => isAsked ? found === version : !isOlder(found, version),
      ) ?? "",
  );
  if (installed) return installed;
  const folder = await remember(
    `kubernetes-${version}`,
    () =>
      cachedKubernetes(version, {
        ...options,
        name: `kubernetes-${version}`,
        programs: KUBERNETES_PROGRAMS,
      }),
  );
  return join(folder, name);
}

/** Returns the path of etcd; downloads or builds it unless it is there. */
export async function etcdProgram(
  options: ProgramOptions = {},
): Promise<string> {
  const installed = await remember(
    "installed etcd",
    async () =>
      await findInstalled("etcd", (found) => !isOlder(found, "3.6.0")) ?? "",
  );
  if (installed) return installed;
  const folder = await remember(
    "etcd",
    () => cachedEtcd(ETCD_VERSION, options),
  );
  return join(folder, "etcd");
}

/**
 * Returns the path of a kubelet; downloads or builds it unless it is there. Only tests against a
 * real kubelet need it, so {@linkcode prepareBinaries} leaves it out.
 * @param options.version Kubernetes version without `v`. @default {@linkcode kubernetesVersion}
 */
export async function kubeletProgram(
  options: ProgramOptions & { version?: string } = {},
): Promise<string> {
  const version = options.version ?? await kubernetesVersion();
  const folder = await remember(
    `kubelet-${version}`,
    () =>
      cachedKubernetes(version, {
        ...options,
        name: `kubelet-${version}`,
        programs: ["kubelet"],
      }),
  );
  return join(folder, "kubelet");
}

/** Downloads or builds every program that is not there, with progress on the terminal. */
export async function prepareBinaries(
  options: ProgramOptions = {},
): Promise<void> {
  await etcdProgram(options);
  for (const name of KUBERNETES_PROGRAMS) {
    await kubernetesProgram(name, options);
  }
}

/** Calls `find` once for each key, again only after a failure. */
function remember(key: string, find: () => Promise<string>): Promise<string> {
  let found = resolved.get(key);
  if (!found) {
    found = find();
    resolved.set(key, found);
    found.catch(() => resolved.delete(key));
  }
  return found;
}

/** Returns the program in KUBEBUILDER_ASSETS or on PATH when its version is accepted. */
async function findInstalled(
  name: string,
  isAccepted: (version: string) => boolean,
): Promise<string | undefined> {
  const assets = Deno.env.get("KUBEBUILDER_ASSETS");
  const candidates = [
    ...assets ? [join(assets, name)] : [],
    await findOnPath(name),
  ];
  for (const path of candidates) {
    if (!path) continue;
    const found = await versionOf(path).catch(() => undefined);
    if (found && isAccepted(found)) return path;
  }
  return undefined;
}

/** Returns the version that a program prints, e.g. `1.36.3`. */
export async function versionOf(path: string): Promise<string | undefined> {
  const isKubectl = path.endsWith("/kubectl");
  const result = await tryRun(path, {
    args: isKubectl ? ["version", "--client"] : ["--version"],
    timeoutMs: 10_000,
  });
  return result.stdout.match(
    /(?:Kubernetes |Client Version: |etcd Version: )v?(\d+\.\d+\.\d+)/,
  )
    ?.[1];
}

/** Returns whether the first version comes before the second one. */
export function isOlder(version: string, other: string): boolean {
  const [a, b] = [version, other].map((one) => one.split(".").map(Number));
  for (let at = 0; at < 3; at++) {
    const difference = (a?.[at] ?? 0) - (b?.[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Fills the cache's folder `name` with these programs of a version. */
async function cachedKubernetes(
  version: string,
  options: ProgramOptions & { name: string; programs: string[] },
): Promise<string> {
  const { name, programs, signal } = options;
  if (!await isCached(name, programs)) {
    warn(
      `Kubernetes ${version} (${
        programs.join(", ")
      }) is not in the cache yet; this happens only once.`,
    );
  }
  return await ensureCached(
    name,
    programs,
    (folder) =>
      downloadOrBuild(`Kubernetes ${version}`, {
        download: (progress) =>
          downloadKubernetes(version, { folder, progress, programs, signal }),
        build: (progress) =>
          buildKubernetes({ version, folder, progress, programs, signal }),
      }),
  );
}

async function cachedEtcd(
  version: string,
  options: ProgramOptions,
): Promise<string> {
  return await ensureCached(
    `etcd-${version}`,
    ["etcd"],
    (folder) =>
      downloadOrBuild(`etcd ${version}`, {
        download: (progress) =>
          downloadEtcd(version, { folder, progress, ...options }),
        build: (progress) =>
          buildEtcd({ version, folder, progress, ...options }),
      }),
  );
}

/**
 * Downloads, and builds only when the download is "unavailable". A wrong checksum is no reason to
 * build, but an error.
 */
export async function downloadOrBuild(
  what: string,
  ways: Record<"download" | "build", (progress: Progress) => Promise<void>>,
): Promise<void> {
  try {
    await withProgress(`downloading ${what}`, ways.download);
    return;
  } catch (error) {
    if (!hasCode(error, "unavailable")) throw error;
    warn(
      `${what} is built from source, since it can't be downloaded: ${
        (error as Error).message
      }`,
    );
  }
  await withProgress(`building ${what}`, ways.build);
}

/** Where a download goes. */
interface Target extends ProgramOptions {
  folder: string;
  progress: Progress;
}

async function downloadKubernetes(
  version: string,
  { folder, progress, signal, programs }: Target & { programs: string[] },
): Promise<void> {
  for (const name of programs) {
    const url =
      `https://dl.k8s.io/release/v${version}/bin/linux/${ARCH}/${name}`;
    const sums = await downloadText(`${url}.sha256`, { signal });
    const sha256 = sums.trim().split(/\s/)[0] ?? "";
    const path = join(folder, name);
    await download({ url, sha256, path, progress, signal });
    await Deno.chmod(path, 0o755);
  }
}

async function downloadEtcd(
  version: string,
  { folder, progress, signal }: Target,
): Promise<void> {
  const base = `https://github.com/etcd-io/etcd/releases/download/v${version}`;
  const file = `etcd-v${version}-linux-${ARCH}.tar.gz`;
  const sums = await downloadText(`${base}/SHA256SUMS`, { signal });
  const sha256 =
    sums.split("\n").find((line) => line.endsWith(file))?.split(/\s/)[0] ?? "";
  const path = join(folder, file);
  await download({ url: `${base}/${file}`, sha256, path, progress, signal });
  await run("tar", {
    args: [
      "-xzf",
      path,
      "-C",
      folder,
      "--strip-components=1",
      "--no-same-owner",
    ],
  });
  await Deno.remove(path);
}

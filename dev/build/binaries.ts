// SPDX-License-Identifier: Apache-2.0
/** Where the control plane's programs come from: named assets, PATH, our cache, the official downloads, or a build from Go modules. */
import { AranyaError, asAranyaError } from "../../lib/shared/base/mod.ts";
import { ensureCached, isCached } from "./cache.ts";
import { download, downloadText } from "./download.ts";
import { buildEtcd, buildKubernetes, KUBERNETES_PROGRAMS } from "./go_build.ts";
import { join } from "../base/paths.ts";
import { findOnPath, run, tryRun } from "../base/run.ts";
import { type Progress, warn, withProgress } from "../base/say.ts";

const DEFAULT_KUBERNETES = "1.36.3";
const ETCD_VERSION = "3.6.16";
const ARCH = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

/** The Kubernetes version that is served: `ARANYA_KUBERNETES` without `v`, else that of the named assets, else our default. */
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

/** The path of one of {@linkcode KUBERNETES_PROGRAMS}; brought or built when need be. */
export async function kubernetesProgram(name: string): Promise<string> {
  const version = await kubernetesVersion();
  const isAsked = Boolean(Deno.env.get("ARANYA_KUBERNETES"));
  const near = await remember(
    `near ${name}`,
    async () =>
      await nearBy(
        name,
        (found) => isAsked ? found === version : !isOlder(found, version),
      ) ?? "",
  );
  if (near) return near;
  const folder = await remember(
    `kubernetes-${version}`,
    () => cachedKubernetes(version),
  );
  return join(folder, name);
}

/** The path of etcd; brought or built when need be. */
export async function etcdProgram(): Promise<string> {
  const near = await remember(
    "near etcd",
    async () => await nearBy("etcd", (found) => !isOlder(found, "3.6.0")) ?? "",
  );
  if (near) return near;
  return join(await remember("etcd", () => cachedEtcd(ETCD_VERSION)), "etcd");
}

/** Brings or builds every program, with progress on the terminal. */
export async function prepareBinaries(): Promise<void> {
  await etcdProgram();
  for (const name of KUBERNETES_PROGRAMS) await kubernetesProgram(name);
}

function remember(key: string, find: () => Promise<string>): Promise<string> {
  let found = resolved.get(key);
  if (!found) {
    found = find();
    resolved.set(key, found);
    found.catch(() => resolved.delete(key));
  }
  return found;
}

/** The program in KUBEBUILDER_ASSETS or on PATH, when its version serves. */
async function nearBy(
  name: string,
  serves: (version: string) => boolean,
): Promise<string | undefined> {
  const assets = Deno.env.get("KUBEBUILDER_ASSETS");
  const candidates = [
    ...assets ? [join(assets, name)] : [],
    await findOnPath(name),
  ];
  for (const path of candidates) {
    if (!path) continue;
    const found = await versionOf(path).catch(() => undefined);
    if (found && serves(found)) return path;
  }
  return undefined;
}

/** The version that a program tells of itself, e.g. `1.36.3`. */
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

/** Whether the first version comes before the second one. */
export function isOlder(version: string, other: string): boolean {
  const [a, b] = [version, other].map((one) => one.split(".").map(Number));
  for (let at = 0; at < 3; at++) {
    const difference = (a?.[at] ?? 0) - (b?.[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

async function cachedKubernetes(version: string): Promise<string> {
  const name = `kubernetes-${version}`;
  if (!await isCached(name, KUBERNETES_PROGRAMS)) {
    warn(`Kubernetes ${version} is not in the cache yet; it is brought once.`);
  }
  return await ensureCached(
    name,
    KUBERNETES_PROGRAMS,
    (folder) =>
      bring(`Kubernetes ${version}`, {
        fetch: (progress) => fetchKubernetes(version, folder, progress),
        build: (progress) => buildKubernetes({ version, folder, progress }),
      }),
  );
}

async function cachedEtcd(version: string): Promise<string> {
  return await ensureCached(
    `etcd-${version}`,
    ["etcd"],
    (folder) =>
      bring(`etcd ${version}`, {
        fetch: (progress) => fetchEtcd(version, folder, progress),
        build: (progress) => buildEtcd({ version, folder, progress }),
      }),
  );
}

async function bring(
  what: string,
  ways: Record<"fetch" | "build", (progress: Progress) => Promise<void>>,
): Promise<void> {
  try {
    await withProgress(`downloading ${what}`, ways.fetch);
    return;
  } catch (error) {
    const known = asAranyaError(error, `Cannot download ${what}`);
    // A wrong checksum is no reason to fall back in silence.
    if (!(error instanceof AranyaError) || known.code !== "unavailable") {
      throw known;
    }
    warn(
      `${what} is built from source, since the download can't be reached: ${known.message}`,
    );
  }
  await withProgress(`building ${what}`, ways.build);
}

async function fetchKubernetes(
  version: string,
  folder: string,
  progress: Progress,
): Promise<void> {
  for (const name of KUBERNETES_PROGRAMS) {
    const url =
      `https://dl.k8s.io/release/v${version}/bin/linux/${ARCH}/${name}`;
    const sha256 =
      (await downloadText(`${url}.sha256`)).trim().split(/\s/)[0] ?? "";
    const path = join(folder, name);
    await download({ url, sha256, path, progress });
    await Deno.chmod(path, 0o755);
  }
}

async function fetchEtcd(
  version: string,
  folder: string,
  progress: Progress,
): Promise<void> {
  const base = `https://github.com/etcd-io/etcd/releases/download/v${version}`;
  const file = `etcd-v${version}-linux-${ARCH}.tar.gz`;
  const sums = await downloadText(`${base}/SHA256SUMS`);
  const sha256 =
    sums.split("\n").find((line) => line.endsWith(file))?.split(/\s/)[0] ?? "";
  const path = join(folder, file);
  await download({ url: `${base}/${file}`, sha256, path, progress });
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

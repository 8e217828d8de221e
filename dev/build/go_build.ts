// SPDX-License-Identifier: Apache-2.0
/** Kubernetes and etcd built from their published Go modules, with a small go.mod of ours in a temporary folder. */
import { AranyaError } from "../../lib/shared/base/mod.ts";
import { join } from "../base/paths.ts";
import { findOnPath, run } from "../base/run.ts";
import type { Progress } from "../base/say.ts";

/** What is built and where to. */
export interface GoBuildOptions {
  /** Version without `v`. */
  version: string;
  /** Folder for the programs. */
  folder: string;
  progress: Progress;
}

const KUBERNETES = "k8s.io/kubernetes";
const ETCD = "go.etcd.io/etcd/server/v3";

/** Programs of Kubernetes that the test world runs. */
export const KUBERNETES_PROGRAMS: string[] = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubectl",
];

/** Builds the programs of a Kubernetes version; 4 to 7 minutes on two cores. */
export async function buildKubernetes(options: GoBuildOptions): Promise<void> {
  const { version, folder, progress } = options;
  await inTemporaryModule(async (work) => {
    progress.at("reading its module file");
    const original = await moduleFile(`${KUBERNETES}@v${version}`, work);
    await Deno.writeTextFile(
      join(work, "go.mod"),
      kubernetesModule(original, version),
    );
    const packages = KUBERNETES_PROGRAMS.map((one) =>
      `${KUBERNETES}/cmd/${one}`
    );
    await Deno.writeTextFile(
      join(work, "tools.go"),
      `//go:build tools\n\npackage tools\n\nimport (\n${
        packages.map((one) => `\t_ "${one}"\n`).join("")
      })\n`,
    );
    await build({
      work,
      folder,
      packages,
      progress,
      linkFlags: stamps(version),
    });
  });
}

/** Builds etcd; a minute or two. */
export async function buildEtcd(options: GoBuildOptions): Promise<void> {
  const { version, folder, progress } = options;
  await inTemporaryModule(async (work) => {
    progress.at("reading its module file");
    const original = await moduleFile(`${ETCD}@v${version}`, work);
    await Deno.writeTextFile(
      join(work, "go.mod"),
      `module aranya.dev/etcd\n\n${
        original.match(/^go .+$/m)?.[0]
      }\n\nrequire ${ETCD} v${version}\n`,
    );
    await Deno.writeTextFile(
      join(work, "main.go"),
      `package main\n\nimport (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n`,
    );
    await build({
      work,
      folder: join(folder, "etcd"),
      packages: ["."],
      progress,
      linkFlags: "-s -w",
    });
  });
}

/** The text of a published module's own go.mod. */
async function moduleFile(module: string, work: string): Promise<string> {
  const text = await run("go", {
    args: ["mod", "download", "-json", module],
    cwd: work,
    env: GO_ENV,
    timeoutMs: 300_000,
  });
  const found: { GoMod?: string } = JSON.parse(text);
  return await Deno.readTextFile(found.GoMod ?? "");
}

/** A module file of ours: Kubernetes at this version, each staging module replaced by its published one. */
export function kubernetesModule(original: string, version: string): string {
  const staging = original.matchAll(/^\s+(k8s\.io\/\S+) => \.\/staging/gm);
  const published = `v0.${version.split(".").slice(1).join(".")}`;
  const kept = original.split("\n").filter((line) =>
    /^(go|godebug) /.test(line)
  );
  const godebug = original.match(/^godebug \([^)]*\)/m)?.[0] ?? "";
  return [
    "module aranya.dev/kubernetes",
    ...kept.filter((line) => !line.startsWith("godebug (")),
    godebug,
    `require ${KUBERNETES} v${version}`,
    "replace (",
    ...[...staging].map((match) => `\t${match[1]} => ${match[1]} ${published}`),
    ")",
    "",
  ].join("\n\n").replaceAll("\n\n\t", "\n\t");
}

/** Linker flags by which the programs know their version. */
function stamps(version: string): string {
  const [major, minor] = version.split(".");
  const values = {
    gitVersion: `v${version}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "archive",
    gitCommit: "0000000",
    buildDate: "1970-01-01T00:00:00Z",
  };
  const flags = [
    "k8s.io/component-base/version",
    "k8s.io/client-go/pkg/version",
  ]
    .flatMap((target) =>
      Object.entries(values).map(([key, value]) =>
        `-X ${target}.${key}=${value}`
      )
    );
  return `-s -w ${flags.join(" ")}`;
}

interface Build {
  work: string;
  folder: string;
  packages: string[];
  progress: Progress;
  linkFlags: string;
}

async function build(options: Build): Promise<void> {
  const { work, folder, packages, progress, linkFlags } = options;
  progress.at("fetching modules");
  const list = await goWatched(
    ["list", "-mod=mod", "-deps", ...packages],
    work,
    (line) =>
      line.startsWith("go: downloading") &&
      progress.at(`fetching ${line.split(" ")[2]}`),
  );
  const total = list.trim().split("\n").length;
  let done = 0;
  await goWatched(
    [
      "build",
      "-v",
      "-mod=mod",
      "-trimpath",
      "-ldflags",
      linkFlags,
      "-o",
      packages.length > 1 ? folder + "/" : folder,
      ...packages,
    ],
    work,
    () => progress.at(`compiled ${++done} of at most ${total} packages`),
  );
}

async function inTemporaryModule(
  work: (folder: string) => Promise<void>,
): Promise<void> {
  if (!await findOnPath("go")) {
    throw new AranyaError(
      "not_found",
      "Cannot build Kubernetes or etcd: go is not installed (and the official downloads could not be reached)",
    );
  }
  const folder = await Deno.makeTempDir({ prefix: "aranya-go-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const GO_ENV = { CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" };

/** Runs go and hands over each line of its standard error as it comes. */
async function goWatched(
  args: string[],
  cwd: string,
  onLine: (line: string) => unknown,
): Promise<string> {
  const child = new Deno.Command("go", {
    args,
    cwd,
    env: GO_ENV,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = new Response(child.stdout).text();
  const last: string[] = [];
  let rest = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      onLine(line);
      last.push(line);
    }
    last.splice(0, last.length - 15);
  }
  if (!(await child.status).success) {
    throw new AranyaError(
      "internal",
      `Cannot build with go ${args[0]}: it failed:\n${
        [...last, rest].join("\n")
      }`,
    );
  }
  return await output;
}

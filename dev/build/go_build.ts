// SPDX-License-Identifier: Apache-2.0
/**
 * Builds Kubernetes and etcd from their published Go modules, through a generated go.mod in a
 * temporary folder.
 */
import { AranyaError, onAbort } from "../../lib/shared/base/mod.ts";
import { join } from "../base/paths.ts";
import { findOnPath, run } from "../base/run.ts";
import type { Progress } from "../base/terminal.ts";

/** Options of {@linkcode buildKubernetes} and {@linkcode buildEtcd}. */
export interface GoBuildOptions {
  /** Version without `v`. */
  version: string;
  /** Folder for the programs; the build's temporary files are in it too, and are removed. */
  folder: string;
  progress: Progress;
  /** Ends the build; its reason is thrown. */
  signal?: AbortSignal | undefined;
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

/** Options of {@linkcode buildKubernetes}. */
export interface KubernetesBuildOptions extends GoBuildOptions {
  /** Names of programs. @default {@linkcode KUBERNETES_PROGRAMS} */
  programs?: string[];
}

/** Builds programs of a Kubernetes version; takes 4 to 7 minutes on two cores. */
export async function buildKubernetes(
  options: KubernetesBuildOptions,
): Promise<void> {
  const { version, folder, progress, programs = KUBERNETES_PROGRAMS } = options;
  await inTemporaryModule(folder, async (work) => {
    progress.update("reading its module file");
    const original = await moduleFile(`${KUBERNETES}@v${version}`, work);
    await Deno.writeTextFile(
      join(work, "go.mod"),
      kubernetesModule(original, version),
    );
    const packages = programs.map((one) => `${KUBERNETES}/cmd/${one}`);
    await Deno.writeTextFile(
      join(work, "tools.go"),
      `//go:build tools\n\npackage tools\n\nimport (\n${
        packages.map((one) => `\t_ "${one}"\n`).join("")
      })\n`,
    );
    await build({
      ...options,
      work,
      packages,
      output: folder + "/",
      linkFlags: versionFlags(version),
    });
  });
}

/** Builds etcd; takes a minute or two. */
export async function buildEtcd(options: GoBuildOptions): Promise<void> {
  const { version, folder, progress } = options;
  await inTemporaryModule(folder, async (work) => {
    progress.update("reading its module file");
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
      ...options,
      work,
      packages: ["."],
      output: join(folder, "etcd"),
      linkFlags: "-s -w",
    });
  });
}

/** Returns the go.mod of a published module. */
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

/**
 * Returns a go.mod that requires Kubernetes at this version.
 * @param original Kubernetes' own go.mod, whose `./staging` replacements become published modules
 */
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

/** Returns linker flags that set the version which the programs print. */
function versionFlags(version: string): string {
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

interface BuildOptions extends GoBuildOptions {
  /** Folder with go.mod. */
  work: string;
  packages: string[];
  /** A program, or a folder with a trailing slash. */
  output: string;
  linkFlags: string;
}

async function build(options: BuildOptions): Promise<void> {
  const { work, packages, output, progress, linkFlags, signal } = options;
  progress.update("downloading modules");
  const list = await runGo({
    args: ["list", "-mod=mod", "-deps", ...packages],
    work,
    signal,
    onLine: (line) => {
      if (line.startsWith("go: downloading")) {
        progress.update(`downloading ${line.split(" ")[2]}`);
      }
    },
  });
  const total = list.trim().split("\n").length;
  let done = 0;
  await runGo({
    args: [
      ...["build", "-v", "-mod=mod", "-trimpath"],
      ...["-ldflags", linkFlags, "-o", output, ...packages],
    ],
    work,
    signal,
    onLine: () =>
      progress.update(`compiled ${++done} of at most ${total} packages`),
  });
}

/** Calls `work` with a new folder inside `folder`, and removes it afterwards. */
async function inTemporaryModule(
  folder: string,
  work: (folder: string) => Promise<void>,
): Promise<void> {
  if (!await findOnPath("go")) {
    throw new AranyaError(
      "not_found",
      "Cannot build Kubernetes or etcd: go is not installed, expected it or a connection to the official downloads",
    );
  }
  const own = await Deno.makeTempDir({ dir: folder, prefix: ".go-" });
  try {
    await Deno.mkdir(join(own, "tmp"));
    await work(own);
  } finally {
    await Deno.remove(own, { recursive: true });
  }
}

const GO_ENV = { CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" };

/**
 * Runs a command in a new process group, and kills the whole group when standard input ends:
 * when this process closes it, or dies in whatever way. `$$` is the group's id because of `setsid`.
 */
const KILLED_WITH_STDIN = `exec 3<&0 </dev/null
(read x <&3; kill -9 -$$) & watcher=$!
exec 3<&-
"$@" & wait $!; status=$?
kill $watcher; exit $status`;

/** Options of {@linkcode runGo}. */
export interface RunGoOptions {
  args: string[];
  /** Working folder; go's temporary files are in it too. */
  work: string;
  signal?: AbortSignal | undefined;
  /** Called with each line of standard error as it comes. */
  onLine(line: string): void;
  /** Path of the go program. @default "go" */
  program?: string;
}

/**
 * Runs go to its end and returns its standard output.
 * @throws {AranyaError} "internal" unless it exits 0
 */
export async function runGo(options: RunGoOptions): Promise<string> {
  const { args, work, signal, onLine, program = "go" } = options;
  signal?.throwIfAborted();
  const child = new Deno.Command("setsid", {
    args: ["--wait", "sh", "-c", KILLED_WITH_STDIN, "sh", program, ...args],
    cwd: work,
    env: { ...GO_ENV, GOTMPDIR: join(work, "tmp") },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const close = () => child.stdin.close().catch(() => {});
  using _listener = onAbort(signal, () => void close());
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
  const [status, stdout] = await Promise.all([child.status, output]);
  await close();
  signal?.throwIfAborted();
  if (!status.success) {
    throw new AranyaError(
      "internal",
      `Cannot run go ${args[0]}: exit code ${status.code}:\n${
        [...last, rest].join("\n")
      }`,
    );
  }
  return stdout;
}

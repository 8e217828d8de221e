// SPDX-License-Identifier: Apache-2.0
/** The exact import graph of source files, as Deno resolves it, and cycles in it. */
import { fromFileUrl, join, relative, ROOT } from "../base/paths.ts";
import { run } from "../base/run.ts";
import { packageOf } from "./access.ts";

/** One import or export declaration, or one `import(…)`. */
export interface ImportEdge {
  /** The importing file: a path from the repository's root. */
  from: string;
  /** The imported file (a path from the root), or undefined for a package. */
  file?: string;
  /** The imported package or `node:` module, or undefined for a file. */
  package?: string;
  /** Whether only types are imported. */
  isTypeOnly: boolean;
  /** Whether it is an `import(…)` expression. */
  isDynamic: boolean;
}

/** Files and what they import. */
export interface ImportGraph {
  /** Paths from the root, sorted. */
  files: string[];
  edges: ImportEdge[];
}

/** A part of what `deno info --json` prints. */
interface InfoModule {
  specifier: string;
  error?: string;
  dependencies?: {
    code?: { specifier?: string; error?: string };
    type?: { specifier?: string; error?: string };
    isDynamic?: boolean;
  }[];
}

/** Options of {@linkcode readImportGraph}. */
export interface ImportGraphOptions {
  /** Paths from the root. */
  files: string[];
  /** Absolute path of the folder with deno.json. @default the repository */
  root?: string;
}

/**
 * Reads the imports of these files, whether another file imports them or not.
 * @throws {Error} when a file can't be parsed or an import can't be resolved
 */
export async function readImportGraph(
  { files, root = ROOT }: ImportGraphOptions,
): Promise<ImportGraph> {
  const prefix = `file://${root}/`;
  // A module that imports every file makes them all part of one graph.
  const all = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      all,
      files.map((path) => `import "${new URL(path, prefix)}";\n`).join(""),
    );
    const info = JSON.parse(
      await run(Deno.execPath(), {
        args: ["info", "--json", "--config", join(root, "deno.json"), all],
        cwd: root,
      }),
    ) as { modules: InfoModule[] };
    const broken = info.modules.find((one) => one.error);
    if (broken) {
      throw new Error(`Cannot read ${broken.specifier}: ${broken.error}`);
    }
    const urls = new Set(files.map((path) => new URL(path, prefix).href));
    const modules = info.modules.filter((one) => urls.has(one.specifier));
    return {
      files: files.toSorted(),
      edges: modules.flatMap((module) => toEdges(module, root)),
    };
  } finally {
    await Deno.remove(all);
  }
}

function toEdges(module: InfoModule, root: string): ImportEdge[] {
  const from = toPath(module.specifier, root);
  return (module.dependencies ?? []).map(({ code, type, isDynamic }) => {
    const target = code?.specifier ?? type?.specifier;
    if (!target) {
      throw new Error(
        `Cannot resolve an import of ${from}: ${code?.error ?? type?.error}`,
      );
    }
    return {
      from,
      ...target.startsWith("file:") ? { file: toPath(target, root) } : {
        package: packageOf(target.replace(/^npm:\/?/, "")).replace(
          /(?<=.)@.*/,
          "",
        ),
      },
      isTypeOnly: code === undefined,
      isDynamic: isDynamic ?? false,
    };
  });
}

function toPath(url: string, root: string): string {
  return relative(root, fromFileUrl(url));
}

/**
 * Returns the cycles of a directed graph: each group of nodes that reach each other, sorted.
 * A node with an edge to itself is a group of one.
 */
export function findCycles(
  graph: ReadonlyMap<string, ReadonlySet<string>>,
): string[][] {
  const reachable = new Map<string, Set<string>>();
  for (const node of graph.keys()) {
    const seen = new Set<string>();
    const open = [...graph.get(node) ?? []];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(...graph.get(next) ?? []);
    }
    reachable.set(node, seen);
  }
  const groups = new Map<string, string[]>();
  for (const [node, seen] of reachable) {
    if (!seen.has(node)) continue;
    const group = [...seen].filter((one) => reachable.get(one)?.has(node))
      .sort();
    groups.set(group.join(" "), group);
  }
  return [...groups.values()];
}

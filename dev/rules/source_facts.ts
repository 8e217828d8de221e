// SPDX-License-Identifier: Apache-2.0
/** Reads facts about source files from their syntax trees; `deno lint` is the parser. */
import { join, ROOT } from "../base/paths.ts";
import { run, tryRun } from "../base/run.ts";
import type { FileFacts } from "./facts_plugin.ts";

export type { FileFacts } from "./facts_plugin.ts";

/** Lists the files that git tracks or would add, by pattern, as paths from the root. */
export async function listFiles(...patterns: string[]): Promise<string[]> {
  const text = await run("git", {
    args: [
      ...["ls-files", "--cached", "--others", "--exclude-standard", "--"],
      ...patterns,
    ],
    cwd: ROOT,
  });
  const present: string[] = [];
  for (const path of new Set(text.split("\n").filter((line) => line !== ""))) {
    if (await Deno.stat(join(ROOT, path)).catch(() => undefined)) {
      present.push(path);
    }
  }
  return present.sort();
}

/**
 * Returns the facts of each file by its path.
 * @param paths from the root, or absolute
 * @throws {Error} when a file can't be parsed
 */
export async function readFacts(
  paths: string[],
): Promise<Map<string, FileFacts>> {
  const config = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(
      config,
      JSON.stringify({
        lint: {
          plugins: [new URL("facts_plugin.ts", import.meta.url).href],
          rules: { tags: [], include: ["facts/file"] },
        },
      }),
    );
    const { stdout, stderr } = await tryRun(Deno.execPath(), {
      args: ["lint", "--json", "--config", config, ...paths],
      cwd: ROOT,
    });
    const { diagnostics, errors } = JSON.parse(stdout) as {
      diagnostics: { filename: string; code: string; message: string }[];
      errors: unknown[];
    };
    const byUrl = new Map(
      diagnostics.map(({ filename, message }) => [
        filename,
        JSON.parse(message) as FileFacts,
      ]),
    );
    const facts = new Map<string, FileFacts>();
    for (const path of paths) {
      const found = byUrl.get(new URL(path, `file://${ROOT}/`).href);
      if (found) facts.set(path, found);
    }
    const missing = paths.filter((path) => !facts.has(path));
    if (errors.length > 0 || missing.length > 0) {
      throw new Error(
        `Cannot parse ${missing.join(", ")}: ${
          JSON.stringify(errors)
        }${stderr}`,
      );
    }
    return facts;
  } finally {
    await Deno.remove(config);
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The rules of docs/architecture.md that a machine can check, beside those of the lint plugin. */
import assert from "node:assert/strict";
import { ROOT } from "../../dev/base/paths.ts";

/** Files that git tracks or would add, by pattern. */
async function listFiles(...patterns: string[]): Promise<string[]> {
  const { stdout } = await new Deno.Command("git", {
    args: [
      "ls-files",
      "--cached",
      "--others",
      "--exclude-standard",
      "--",
      ...patterns,
    ],
    cwd: ROOT,
  }).output();
  const paths = new TextDecoder().decode(stdout).split("\n").filter((path) =>
    path !== ""
  );
  const present = await Promise.all(
    paths.map((path) =>
      Deno.stat(`${ROOT}/${path}`).then(() => true, () => false)
    ),
  );
  return [...new Set(paths.filter((_path, index) => present[index]))];
}

const read = (path: string) => Deno.readTextFile(`${ROOT}/${path}`);

Deno.test("every source file begins with its SPDX id", async () => {
  for (const path of await listFiles("*.ts", "*.proto")) {
    assert.match(
      await read(path),
      /^\/\/ SPDX-License-Identifier: Apache-2\.0\n/,
      path,
    );
  }
});

Deno.test("every dependency has its line in docs/dependencies.md and an exact version", async () => {
  const { imports } = JSON.parse(await read("deno.json")) as {
    imports: Record<string, string>;
  };
  const text = await read("docs/dependencies.md");
  for (const [name, target] of Object.entries(imports)) {
    const version = target.match(/^npm:(@?[^@]+)@(\d+\.\d+\.\d+)(?:\/.*)?$/);
    assert.ok(version, `${name} is not pinned: ${target}`);
    assert.ok(
      text.includes(`\`${version[1]}\``),
      `docs/dependencies.md does not name ${version[1]}`,
    );
  }
});

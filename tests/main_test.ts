// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";

const ROOT = new URL("..", import.meta.url);

/** Runs a program of this folder with a permission set; returns exit code and standard error. */
async function run(
  program: string,
  { args, permissions }: { args: string[]; permissions: string },
): Promise<{ code: number; text: string }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", `-P=${permissions}`, "--no-prompt", program, ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", KUBECONFIG: "", POD_NAMESPACE: "" },
  }).output();
  const lines = new TextDecoder().decode(stderr).split("\n");
  // Deno's own warning about permission sets.
  const text = lines.filter((line) => !line.startsWith("Warning")).join("\n");
  return { code, text };
}

Deno.test("main.ts --help shows the flags and variables of both modes", async () => {
  const { code, text } = await run("main.ts", {
    args: ["--help"],
    permissions: "operator-pod",
  });
  assert.equal(code, 0);
  // Both modes, each flag that the parsers know, and each variable of deno.json.
  const sources = await Promise.all(
    ["lib/operator/options.ts", "agent.ts"].map((path) =>
      Deno.readTextFile(new URL(path, ROOT))
    ),
  );
  const flags = sources.flatMap((source) =>
    [...source.matchAll(/^ +"?([a-z-]+)"?: \{ type: "(?:string|boolean)"/gm)]
      .map(([, flag]) => `--${flag}`)
  );
  assert.ok(flags.includes("--kubelet-ports") && flags.includes("--config"));
  const { permissions } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", ROOT)),
  );
  const variables: string[] = ["operator", "operator-pod", "agent"].flatMap(
    (name) => permissions[name].env.allow,
  );
  for (const word of [...flags, ...variables]) {
    assert.ok(text.toUpperCase().includes(word.toUpperCase()), word);
  }
});

Deno.test("main.ts and agent.ts report in one line what is wrong, and exit with 2", async () => {
  const cases: [string, string, string[], RegExp][] = [
    ["main.ts", "operator", [], /^Cannot read flag --mode: it is not set/],
    [
      "main.ts",
      "operator",
      ["--mode=x"],
      /^Cannot read flag --mode: it is "x"/,
    ],
    [
      "main.ts",
      "operator",
      ["--mode", "operator", "--kubeconfig", "/nowhere"],
      /^Cannot read kubeconfig "\/nowhere": the file does not exist\n$/,
    ],
    [
      "main.ts",
      "operator-pod",
      ["--mode", "operator", "--kubeconfig", "deno.json"],
      /^Cannot read kubeconfig "deno\.json": no permission to read it\n$/,
    ],
    [
      "main.ts",
      "agent",
      ["--mode", "agent", "--config", "/nowhere"],
      /^Cannot read configuration "\/nowhere": the file does not exist, expected the agent\.yaml of the device's Secret\n$/,
    ],
    [
      "agent.ts",
      "agent",
      ["--config", "lib"],
      /^Cannot read configuration ".*\/lib": it is a directory, expected/,
    ],
  ];
  for (const [program, permissions, args, pattern] of cases) {
    const { code, text } = await run(program, { args, permissions });
    assert.equal(code, 2, text);
    assert.match(text, pattern);
  }
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ROOT } from "../../../dev/base/paths.ts";
import plugin from "../../../dev/rules/lint_plugin.ts";

/** Messages of the plugin about a source text that stands at this path. */
function lint(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, `${ROOT}/${path}`, source)
    .map((diagnostic) => diagnostic.message);
}

const REFUSED: Record<string, [path: string, source: string, RegExp][]> = {
  "imports of other rooms": [
    [
      "lib/agent/pods/x.ts",
      'import { a } from "../../operator/device/mod.ts";',
      /agent\/pods may not import operator\/device/,
    ],
    [
      "lib/operator/podspec/x.ts",
      'import { a } from "../kube/client.ts";',
      /entered only through its mod\.ts/,
    ],
    [
      "lib/operator/podspec/x.ts",
      'import type { A } from "../kube/client.ts";',
      /entered only through its mod\.ts/,
    ],
    [
      "lib/operator/podspec/x.ts",
      'export { a } from "../device/mod.ts";',
      /may not import operator\/device/,
    ],
    [
      "lib/operator/podspec/x.ts",
      'export * from "../device/mod.ts";',
      /may not import operator\/device/,
    ],
    [
      "lib/operator/podspec/x.ts",
      'import { a } from "./mod.ts";',
      /its own room's mod\.ts/,
    ],
    [
      "lib/shared/base/x.ts",
      'import { a } from "../wire/mod.ts";',
      /shared\/base may not import shared\/wire/,
    ],
    [
      "lib/shared/base/x.ts",
      'import { a } from "../../../dev/base/run.ts";',
      /may not import dev\/base\/run\.ts/,
    ],
    [
      "lib/nowhere/x.ts",
      'import { a } from "../shared/base/mod.ts";',
      /lib\/nowhere is not in the room table/,
    ],
    [
      "main.ts",
      'import { a } from "./lib/agent/pods/mod.ts";',
      /main\.ts may not import agent\/pods/,
    ],
    [
      "agent.ts",
      'import { a } from "./lib/operator/kube/mod.ts";',
      /agent\.ts may not import operator\/kube/,
    ],
  ],
  "packages of other rooms": [
    [
      "lib/operator/podspec/x.ts",
      'import grpc from "@grpc/grpc-js";',
      /@grpc\/grpc-js is not among the packages of operator\/podspec/,
    ],
    ["lib/operator/podspec/x.ts", 'import "node:http";', /node:http is not/],
    [
      "lib/operator/podspec/x.ts",
      'import a from "npm:left-pad@1.0.0";',
      /by the names in deno\.json/,
    ],
    [
      "lib/operator/podspec/x.ts",
      'import a from "https://example.com/x.ts";',
      /by the names in deno\.json/,
    ],
    [
      "lib/operator/podspec/x.ts",
      'import a from "/etc/x.ts";',
      /by the names in deno\.json/,
    ],
  ],
  "dynamic imports": [
    [
      "lib/agent/pods/x.ts",
      'await import("../../operator/device/mod.ts");',
      /may not import/,
    ],
    [
      "lib/agent/pods/x.ts",
      "const name = 'x'; await import(name);",
      /names its module literally/,
    ],
    [
      "lib/agent/pods/x.ts",
      "await import(`../docker/client.ts`);",
      /names its module literally/,
    ],
    [
      "lib/agent/pods/x.ts",
      'type A = import("../../shared/session/mod.ts").Session;',
      /a type is imported by an import/,
    ],
    [
      "lib/agent/pods/x.ts",
      'let a: typeof import("../../shared/session/mod.ts");',
      /a type is imported by an import/,
    ],
  ],
  "runtime functions": [
    [
      "lib/agent/pods/x.ts",
      'new Deno.Command("sh");',
      /Deno\.Command is not among the runtime functions of agent\/pods/,
    ],
    ["lib/agent/pods/x.ts", "Deno.connect({ port: 1 });", /Deno\.connect/],
    ["lib/agent/host/x.ts", 'Deno.env.get("HOME");', /Deno\.env is read only/],
    ["lib/agent/host/x.ts", "const { env } = Deno;", /only as Deno\.member/],
    ["lib/agent/host/x.ts", 'Deno["env"].get("A");', /only as Deno\.member/],
    ["lib/agent/host/x.ts", "const all = { Deno };", /only as Deno\.member/],
    [
      "lib/agent/host/x.ts",
      "globalThis.Deno.env.toObject();",
      /globalThis is used only/,
    ],
    [
      "lib/agent/host/x.ts",
      'globalThis["fetch"]("http://a");',
      /globalThis is used only/,
    ],
    ["lib/agent/host/x.ts", "self.Deno.env;", /self is not used/],
  ],
  "globals that reach outside": [
    ["lib/agent/host/x.ts", 'fetch("http://a");', /fetch is not used/],
    ["lib/agent/host/x.ts", "const get = fetch;", /fetch is not used/],
    ["lib/agent/host/x.ts", "class A { get = fetch; }", /fetch is not used/],
    ["lib/agent/host/x.ts", "const a = { fetch };", /fetch is not used/],
    ["lib/agent/host/x.ts", "const a = { [fetch]: 1 };", /fetch is not used/],
    [
      "lib/agent/host/x.ts",
      'process.getBuiltinModule("node:child_process");',
      /process is not used/,
    ],
    ["lib/agent/host/x.ts", 'new WebSocket("ws://a");', /WebSocket is not/],
    ["lib/agent/host/x.ts", 'eval("1");', /eval is not used/],
    ["lib/agent/host/x.ts", 'new Function("return 1");', /Function is not/],
  ],
  "boolean arguments": [
    ["lib/agent/pods/x.ts", "run(true);", /has no name at the call/],
    ["lib/agent/pods/x.ts", "run(!0);", /has no name at the call/],
    ["lib/agent/pods/x.ts", "run(1, !1);", /has no name at the call/],
  ],
  "wide comments": [
    ["tests/x_test.ts", `// ${"é".repeat(98)}`, /wider than 100 columns/],
    ["dev/x.ts", `/**\n * a\n * ${"b".repeat(98)}\n */`, /wider than 100/],
    ["lib/agent/pods/x.ts", `run(); // ${"b".repeat(91)}`, /wider than 100/],
  ],
};

const ALLOWED: Record<string, [path: string, source: string][]> = {
  "imports of other rooms": [
    ["lib/agent/pods/x.ts", 'import { a } from "../runtime/mod.ts";'],
    ["lib/agent/pods/x.ts", 'import type { A } from "../runtime/mod.ts";'],
    ["lib/agent/pods/x.ts", 'export * from "../../shared/base/mod.ts";'],
    ["lib/agent/pods/x.ts", 'import { a } from "./plan.ts";'],
    ["lib/agent/pods/mod.ts", 'export { a } from "./plan.ts";'],
    ["agent.ts", 'import { a } from "./lib/agent/mod.ts";'],
    ["tests/x_test.ts", 'import { a } from "../lib/agent/pods/plan.ts";'],
  ],
  "packages of other rooms": [
    ["lib/shared/link/x.ts", 'import grpc from "@grpc/grpc-js";'],
    [
      "lib/shared/wire/x.ts",
      'import { a } from "@bufbuild/protobuf/codegenv2";',
    ],
    ["lib/operator/kube/x.ts", 'import "node:http";'],
    ["lib/agent/pods/x.ts", 'import { join } from "node:path";'],
  ],
  "dynamic imports": [
    ["main.ts", 'await import("./agent.ts");'],
    ["main.ts", 'await import("./lib/operator/mod.ts");'],
    ["lib/operator/kube/x.ts", 'await import("yaml");'],
    ["lib/agent/pods/x.ts", 'import type { A } from "./plan.ts"; type B = A;'],
  ],
  "runtime functions": [
    ["lib/agent/host/x.ts", 'new Deno.Command("sh");'],
    ["lib/agent/docker/x.ts", "Deno.connect({ port: 1 });"],
    ["main.ts", 'Deno.env.get("HOME");'],
    ["lib/agent/pods/x.ts", "error instanceof Deno.errors.NotFound;"],
    ["lib/agent/pods/x.ts", "let child: Deno.ChildProcess;"],
    ["lib/agent/pods/x.ts", 'globalThis.addEventListener("error", f);'],
  ],
  "globals that reach outside": [
    ["lib/agent/host/x.ts", "cache.fetch(1);"],
    ["lib/agent/host/x.ts", "const a = { fetch: 1, process: 2 };"],
    ["lib/agent/host/x.ts", "class A { fetch() {} process = 1; }"],
    ["lib/agent/host/x.ts", "interface A { fetch(): void; process: B; }"],
  ],
  "boolean arguments": [
    ["lib/agent/pods/x.ts", "run({ isForced: true });"],
    ["lib/agent/pods/x.ts", "run(!isForced);"],
    ["tests/x_test.ts", "assert.equal(x, true);"],
  ],
  "wide comments": [
    ["tests/x_test.ts", `// ${"é".repeat(97)}`],
    ["dev/x.ts", `/**\n * a\n * ${"b".repeat(97)}\n */`],
    ["dev/x.ts", `const text = "${"b".repeat(120)}";\n// short`],
  ],
};

for (const [topic, cases] of Object.entries(REFUSED)) {
  Deno.test(`the lint plugin refuses ${topic}`, () => {
    for (const [path, source, expected] of cases) {
      const messages = lint(path, source);
      assert.ok(
        messages.some((message) => expected.test(message)),
        `${path}: ${source}: ${JSON.stringify(messages)}`,
      );
    }
  });

  Deno.test(`the lint plugin accepts what the table allows of ${topic}`, () => {
    assert.ok((ALLOWED[topic]?.length ?? 0) > 0);
    for (const [path, source] of ALLOWED[topic] ?? []) {
      assert.deepEqual(lint(path, source), [], `${path}: ${source}`);
    }
  });
}

// SPDX-License-Identifier: Apache-2.0
/** The benchmarks that need no other program still run; their figures are not judged. */
import assert from "node:assert/strict";
import { ROOT } from "../../dev/base/paths.ts";
import { run, tryRun } from "../../dev/base/run.ts";

function bench(...args: string[]): Promise<string> {
  return run(Deno.execPath(), {
    args: ["run", "-A", "bench/mod.ts", ...args],
    cwd: ROOT,
    timeoutMs: 240_000,
  });
}

const CASES: [args: string[], expected: RegExp][] = [
  [["session", "0.1"], /^one stream, writes of 64 KiB: \d+ MB\/s\n$/],
  [
    ["link", "--megabytes", "1"],
    /^ packet B .*\n( +\d+){6}\n[\s\S]*\(MB\/s\)\n$/,
  ],
  [["kubelet", "--servers", "3"], /^3 servers open .*\n[\s\S]*^all closed /m],
];

for (const [args, expected] of CASES) {
  Deno.test(`bench ${args[0]} prints its figures`, async () => {
    assert.match(await bench(...args), expected);
  });
}

Deno.test("bench lists the benchmarks when the name is unknown", async () => {
  const { code, stderr } = await tryRun(Deno.execPath(), {
    args: ["run", "-A", "bench/mod.ts", "pigeon"],
    cwd: ROOT,
  });
  assert.equal(code, 2);
  assert.match(stderr, /^Cannot run benchmark "pigeon": .*\n {2}deploy /m);
});

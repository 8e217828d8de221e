// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { kubernetesModule, runGo } from "../../../dev/build/go_build.ts";
import { join, ROOT } from "../../../dev/base/paths.ts";
import { until } from "../../../dev/base/wait.ts";

async function withFolder(
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "aranya-test-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A script that starts a child as go does, writes the child's process id to a file, and waits. */
const WAITING = "sleep 60 & echo $! > pid; wait";

async function untilPid(folder: string): Promise<number> {
  return await until(
    async () =>
      Number(await Deno.readTextFile(join(folder, "pid"))) || undefined,
    { what: "the child's process id" },
  );
}

async function untilEnded(pid: number): Promise<void> {
  await until(
    async () => !(await Deno.stat(`/proc/${pid}`).catch(() => undefined)),
    { what: `the end of process ${pid}` },
  );
}

Deno.test("kubernetesModule() replaces each staging module by its published one", () => {
  const original = `module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require (
	k8s.io/api v0.0.0
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/client-go => ./staging/src/k8s.io/client-go
)
`;
  assert.equal(
    kubernetesModule(original, "1.36.3").replaceAll(/\n+/g, "\n"),
    `module aranya.dev/kubernetes
go 1.26.0
godebug default=go1.26
require k8s.io/kubernetes v1.36.3
replace (
	k8s.io/api => k8s.io/api v0.36.3
	k8s.io/client-go => k8s.io/client-go v0.36.3
)
`,
  );
});

Deno.test("runGo() returns standard output and reports lines of standard error", async () => {
  await withFolder(async (work) => {
    const lines: string[] = [];
    const output = await runGo({
      program: "sh",
      args: ["-c", "echo one >&2; echo out; echo two >&2; echo $GOTMPDIR"],
      work,
      onLine: (line) => lines.push(line),
    });
    assert.equal(output, `out\n${work}/tmp\n`);
    assert.deepEqual(lines, ["one", "two"]);
  });
});

Deno.test("runGo() throws with the end of standard error when the exit code is not 0", async () => {
  await withFolder(async (work) => {
    await assert.rejects(
      runGo({
        program: "sh",
        args: ["-c", "echo cause >&2; exit 3"],
        work,
        onLine: () => {},
      }),
      /exit code 3:\ncause/,
    );
  });
});

Deno.test("runGo() kills go and what it started when the signal is aborted", async () => {
  await withFolder(async (work) => {
    const controller = new AbortController();
    const result = runGo({
      program: "sh",
      args: ["-c", WAITING],
      work,
      signal: controller.signal,
      onLine: () => {},
    });
    const pid = await untilPid(work);
    controller.abort(new Error("interrupted"));
    await assert.rejects(result, /interrupted/);
    await untilEnded(pid);
  });
});

Deno.test("runGo() kills go and what it started when this process is killed", async () => {
  await withFolder(async (work) => {
    const script = `
      import { runGo } from "${join(ROOT, "dev/build/go_build.ts")}";
      await runGo({ program: "sh", args: ["-c", ${
      JSON.stringify(WAITING)
    }], work: "${work}", onLine: () => {} });`;
    const owner = new Deno.Command(Deno.execPath(), {
      args: ["eval", script],
      cwd: ROOT,
      stdout: "null",
      stderr: "null",
    }).spawn();
    const pid = await untilPid(work);
    owner.kill("SIGKILL");
    await owner.status;
    await untilEnded(pid);
  });
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { runCommand } from "../../../lib/agent/host/command.ts";
import type { ExitStatus } from "../../../lib/shared/exec/mod.ts";
import { FakeClient } from "./_support/fake_client.ts";
import { until } from "../../../dev/base/wait.ts";

const ENV = { PATH: "/usr/bin:/bin" };

function run(
  command: string[],
  client: FakeClient = new FakeClient(),
): Promise<ExitStatus> {
  return runCommand({
    command,
    stdin: client.hasInput,
    env: ENV,
    io: client.io,
  });
}

async function withFolder(work: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

/** Waits for the process id that a command prints first, and returns it. */
const findPid = (client: FakeClient) =>
  until(() => client.stdout.match(/^(\d+)\n/)?.[1], "a process id");

/** Waits for the exit of a command whose client left; the test would leak its process otherwise. */
const untilExited = (pid: string) =>
  until(async () => !await exists(`/proc/${pid}`), "an exit");

Deno.test("runCommand() separates outputs and returns the exit code", async () => {
  const client = new FakeClient();
  const script = "echo out; echo err >&2; exit 7";
  assert.deepEqual(await run(["sh", "-c", script], client), { code: 7 });
  assert.equal(client.stdout, "out\n");
  assert.equal(client.stderr, "err\n");
});

Deno.test("runCommand() copies stdin unchanged to its end", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const client = new FakeClient({ input: Array(50).fill(bytes) });
  assert.deepEqual(await run(["cat"], client), { code: 0 });
  assert.deepEqual(client.stdoutBytes.subarray(0, bytes.length), bytes);
  assert.equal(client.stdoutBytes.length, 50 * bytes.length);
});

Deno.test("runCommand() sends all output to a slow client", async () => {
  const client = new FakeClient({ isSlow: true });
  await run(["head", "-c", "3000000", "/dev/zero"], client);
  assert.equal(client.stdoutBytes.length, 3_000_000);
});

Deno.test("runCommand() runs the command with an empty input without stdin", async () => {
  assert.deepEqual(await run(["cat"]), { code: 0 });
});

Deno.test("runCommand() returns 128+n after signal n", async () => {
  assert.equal((await run(["sh", "-c", "kill -KILL $$"])).code, 137);
  assert.equal((await run(["sh", "-c", "kill -TERM $$"])).code, 143);
});

Deno.test("runCommand() exits with 126 or 127 when the command can't be run", async () => {
  const cases: [string, number, RegExp][] = [
    [
      "absent-command",
      127,
      /"absent-command" on the device: command not found/,
    ],
    ["/absent/file", 127, /no such file/],
    ["/etc", 126, /it is a directory/],
    ["/etc/passwd", 126, /it is not executable/],
  ];
  for (const [command, code, text] of cases) {
    const client = new FakeClient();
    assert.equal((await run([command], client)).code, code);
    assert.match(client.stderr, text);
  }
});

Deno.test("runCommand() passes on only its environment and three descriptors", async () => {
  const client = new FakeClient();
  await run(["sh", "-c", "env; ls /proc/$$/fd"], client);
  assert.doesNotMatch(client.stdout, /^HOME=/m);
  assert.doesNotMatch(client.stdout, /DENO/);
  assert.doesNotMatch(client.stdout, /^[389]$/m);
});

Deno.test("runCommand() gives the command no child that it did not start", async () => {
  const client = new FakeClient();
  await run(["sh", "-c", "cat /proc/$$/task/$$/children; echo; exit"], client);
  // The only child is the program that reads the list.
  assert.match(client.stdout, /^\d+ \n$/);
});

Deno.test("runCommand() returns when the process exits while a child keeps the outputs open", async () => {
  await withFolder(async (folder) => {
    const client = new FakeClient();
    const script =
      `(sleep 1; echo late; echo alive > ${folder}/mark) & echo now`;
    assert.deepEqual(await run(["sh", "-c", script], client), { code: 0 });
    assert.equal(client.stdout, "now\n");
    await until(() => exists(`${folder}/mark`));
  });
});

Deno.test("runCommand() sends SIGHUP when the client leaves", async () => {
  await withFolder(async (folder) => {
    const client = new FakeClient();
    const script = `trap 'echo > ${folder}/hup; exit' HUP; echo $$; ` +
      // It ends by itself when the test fails.
      `for _ in $(seq 600); do sleep 0.05; done`;
    const running = run(["sh", "-c", script], client);
    const pid = await findPid(client);
    client.disconnect();
    assert.equal((await running).reason, "ClientLeft");
    await until(() => exists(`${folder}/hup`));
    await untilExited(pid);
  });
});

Deno.test("runCommand() lets a command that ignores SIGHUP continue to write after the client left", async () => {
  await withFolder(async (folder) => {
    const client = new FakeClient();
    const script =
      `echo $$; sleep 0.3; yes | head -c 1000000; echo > ${folder}/done`;
    const running = run(["nohup", "sh", "-c", script], client);
    const pid = await findPid(client);
    client.disconnect();
    await running;
    await until(() => exists(`${folder}/done`));
    await untilExited(pid);
  });
});

Deno.test("runCommand() lets a command that ignores SIGHUP continue when the agent is killed", async () => {
  await withFolder(async (folder) => {
    const script =
      `echo ready; sleep 0.3; yes | head -c 1000000; echo > ${folder}/done`;
    const module = new URL(
      "../../../lib/agent/host/command.ts",
      import.meta.url,
    );
    const agent = new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `import { runCommand } from ${JSON.stringify(module)};
        const none = async function* () {};
        await runCommand({
          command: ["nohup", "sh", "-c", ${JSON.stringify(script)}],
          stdin: false,
          env: { PATH: "/usr/bin:/bin" },
          io: {
            stdin: none(),
            stdout: async (bytes) => void await Deno.stdout.write(bytes),
            stderr: async () => {},
            resizes: none(),
            signal: new AbortController().signal,
          },
        });`,
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = agent.stdout.getReader();
    await reader.read();
    agent.kill("SIGKILL");
    reader.releaseLock();
    await agent.stdout.cancel();
    await agent.status;
    await until(() => exists(`${folder}/done`));
  });
});

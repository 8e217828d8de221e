// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { runCommand } from "../../../lib/agent/host/command.ts";
import type { ExitStatus } from "../../../lib/shared/exec/mod.ts";
import { play, type Played, until } from "./_support/play.ts";

const ENV = { PATH: "/usr/bin:/bin" };

function run(
  command: string[],
  played: Played = play(),
): Promise<ExitStatus> {
  return runCommand({
    command,
    stdin: played.hasInput,
    env: ENV,
    io: played.io,
  });
}

async function temporary(work: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

Deno.test("runCommand() keeps outputs apart and gives the exit code", async () => {
  const played = play();
  const script = "echo out; echo err >&2; exit 7";
  assert.deepEqual(await run(["sh", "-c", script], played), { code: 7 });
  assert.equal(played.stdout(), "out\n");
  assert.equal(played.stderr(), "err\n");
});

Deno.test("runCommand() carries stdin to its end, byte for byte", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const played = play({ input: Array(50).fill(bytes) });
  assert.deepEqual(await run(["cat"], played), { code: 0 });
  assert.deepEqual(played.bytes().subarray(0, bytes.length), bytes);
  assert.equal(played.bytes().length, 50 * bytes.length);
});

Deno.test("runCommand() delivers everything to a slow reader", async () => {
  const played = play({ slow: true });
  await run(["head", "-c", "3000000", "/dev/zero"], played);
  assert.equal(played.bytes().length, 3_000_000);
});

Deno.test("runCommand() reads nothing without stdin", async () => {
  assert.deepEqual(await run(["cat"]), { code: 0 });
});

Deno.test("runCommand() gives 128+n after signal n", async () => {
  assert.equal((await run(["sh", "-c", "kill -KILL $$"])).code, 137);
  assert.equal((await run(["sh", "-c", "kill -TERM $$"])).code, 143);
});

Deno.test("runCommand() says that a command can't be found or run", async () => {
  const cases: [string, number, RegExp][] = [
    [
      "absent-command",
      127,
      /"absent-command" on the device: command not found/,
    ],
    ["/absent/file", 127, /there is no such file/],
    ["/etc", 126, /it is a directory/],
    ["/etc/passwd", 126, /it is not executable/],
  ];
  for (const [command, code, text] of cases) {
    const played = play();
    assert.equal((await run([command], played)).code, code);
    assert.match(played.stderr(), text);
  }
});

Deno.test("runCommand() hands on nothing but its environment and three descriptors", async () => {
  const played = play();
  await run(["sh", "-c", "env; ls /proc/$$/fd"], played);
  assert.doesNotMatch(played.stdout(), /^HOME=/m);
  assert.doesNotMatch(played.stdout(), /^[389]$/m);
});

Deno.test("runCommand() ends with its process, though a child keeps the outputs", async () => {
  await temporary(async (folder) => {
    const played = play();
    const script =
      `(sleep 1; echo late; echo alive > ${folder}/mark) & echo now`;
    assert.deepEqual(await run(["sh", "-c", script], played), { code: 0 });
    assert.equal(played.stdout(), "now\n");
    await until(() => exists(`${folder}/mark`));
  });
});

Deno.test("runCommand() hangs up when the client leaves", async () => {
  await temporary(async (folder) => {
    const played = play();
    const script =
      `trap 'echo > ${folder}/hup; exit' HUP; echo ready; while :; do sleep 0.05; done`;
    const running = run(["sh", "-c", script], played);
    await until(() => played.stdout() === "ready\n");
    played.leave();
    assert.equal((await running).reason, "ClientLeft");
    await until(() => exists(`${folder}/hup`));
  });
});

Deno.test("runCommand() lets what ignores SIGHUP live on, however much it writes", async () => {
  await temporary(async (folder) => {
    const played = play();
    const script =
      `echo ready; sleep 0.3; yes | head -c 1000000; echo > ${folder}/done`;
    const running = run(["nohup", "sh", "-c", script], played);
    await until(() => played.stdout().includes("ready"));
    played.leave();
    await running;
    await until(() => exists(`${folder}/done`));
  });
});

Deno.test("runCommand() lets what ignores SIGHUP live on when the agent is killed", async () => {
  await temporary(async (folder) => {
    const script =
      `echo ready; sleep 0.3; yes | head -c 1000000; echo > ${folder}/done`;
    const room = new URL("../../../lib/agent/host/command.ts", import.meta.url);
    const agent = new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `import { runCommand } from ${JSON.stringify(room)};
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

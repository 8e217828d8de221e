// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import { buildRelayProgram } from "../../../lib/agent/runtime/relay_program.ts";

async function runRelay(port: number, input: Uint8Array) {
  const folder = await Deno.makeTempDir();
  try {
    const arch = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
    await Deno.writeFile(`${folder}/relay`, buildRelayProgram(arch));
    await Deno.chmod(`${folder}/relay`, 0o755);
    const child = new Deno.Command(`${folder}/relay`, {
      args: [String(port)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    const inputWritten = writer.write(input).then(() => writer.close()).catch(
      () => {},
    );
    const { code, stdout } = await child.output();
    await inputWritten;
    return { code, text: fromUtf8(stdout) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the relay program copies bytes in both directions with half-close", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    const conn = await listener.accept();
    const buffer = new Uint8Array(65_536);
    let size = 0;
    for (
      let count = await conn.read(buffer);
      count !== null;
      count = await conn.read(buffer)
    ) size += count;
    await conn.write(utf8(`got ${size}`));
    conn.close();
    listener.close();
  })();
  const result = await runRelay(listener.addr.port, new Uint8Array(1_000_000));
  assert.deepEqual(result, { code: 0, text: "got 1000000" });
  await served;
});

Deno.test("the relay program exits when the service closes, while its input is open", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    const conn = await listener.accept();
    await conn.read(new Uint8Array(10));
    await conn.write(utf8("bye"));
    await conn.closeWrite();
    listener.close();
    return conn;
  })();
  const result = await runRelay(listener.addr.port, utf8("hello"));
  assert.deepEqual(result, { code: 0, text: "bye" });
  (await served).close();
});

Deno.test("the relay program exits with ECONNREFUSED when nothing listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assert.deepEqual(await runRelay(port, new Uint8Array()), {
    code: 111,
    text: "",
  });
});

Deno.test("buildRelayProgram() builds a file for each architecture", () => {
  for (const arch of ["amd64", "arm64", "arm"]) {
    assert.ok(buildRelayProgram(arch).length < 500);
  }
  assert.throws(() => buildRelayProgram("mips"), { code: "unsupported" });
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { get } from "../../../dev/world/http.ts";
import { freePort, thisMachine } from "../../../dev/world/machine.ts";
import { makeAuthority, makeCertificate } from "../../../dev/world/pki.ts";

const machine = thisMachine("/nowhere");

function respond(request: Request): Response {
  const { pathname, search } = new URL(request.url);
  return new Response(`${pathname}${search}\r\n\r\nsecond part\n`);
}

const SILENT = { hostname: "127.0.0.1", port: 0, onListen: () => {} };

Deno.test("get() returns the body of an HTTP response", async () => {
  await using server = Deno.serve(SILENT, respond);
  assert.equal(
    await get(machine, `http://127.0.0.1:${server.addr.port}/a/b?c=d`),
    "/a/b?c=d\r\n\r\nsecond part\n",
  );
});

Deno.test("get() returns the body of an HTTPS response without verifying the server", async () => {
  const folder = await Deno.makeTempDir({ prefix: "aranya-test-" });
  try {
    const pair = await makeCertificate(
      folder,
      await makeAuthority(folder, "ca"),
      { name: "server", commonName: "server", names: ["IP:127.0.0.1"] },
    );
    await using server = Deno.serve({
      ...SILENT,
      cert: await Deno.readTextFile(pair.cert),
      key: await Deno.readTextFile(pair.key),
    }, respond);
    assert.equal(
      await get(machine, `https://127.0.0.1:${server.addr.port}/healthz`),
      "/healthz\r\n\r\nsecond part\n",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("get() returns an empty text when nothing listens", async () => {
  const port = await freePort();
  assert.equal(await get(machine, `http://127.0.0.1:${port}/`), "");
  assert.equal(await get(machine, `https://127.0.0.1:${port}/`), "");
});

Deno.test("get() returns an empty text when the server does not answer", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}/`;
  assert.equal(await get(machine, url), "");
});

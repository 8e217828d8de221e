// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { get } from "../../../dev/world/http.ts";
import { thisMachine } from "../../../dev/world/machine.ts";
import { until } from "../../../dev/base/wait.ts";
import { makeAuthority, makeCertificate } from "../../../dev/world/pki.ts";

const machine = thisMachine("/nowhere");

function respond(request: Request): Response {
  const { pathname, search } = new URL(request.url);
  return new Response(`${pathname}${search}\r\n\r\nsecond part\n`);
}

/** Returns the body; a busy machine may need more than the 3 s of one attempt. */
function untilBody(url: string): Promise<string> {
  return until(async () => await get(machine, url) || undefined, "a body");
}

const SILENT = { hostname: "127.0.0.1", port: 0, onListen: () => {} };

Deno.test("get() returns the body of an HTTP response", async () => {
  await using server = Deno.serve(SILENT, respond);
  assert.equal(
    await untilBody(`http://127.0.0.1:${server.addr.port}/a/b?c=d`),
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
      await untilBody(`https://127.0.0.1:${server.addr.port}/healthz`),
      "/healthz\r\n\r\nsecond part\n",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("get() returns an empty text when nothing listens", async () => {
  // Port 1 is given to no socket that asks for any, and nothing listens there.
  assert.equal(await get(machine, "http://127.0.0.1:1/"), "");
  assert.equal(await get(machine, "https://127.0.0.1:1/"), "");
});

Deno.test("get() returns an empty text when the server does not answer", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}/`;
  assert.equal(await get(machine, url), "");
});

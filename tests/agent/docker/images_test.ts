// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  fromUtf8,
  onAbort,
  SYSTEM_CLOCK,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import type {
  DockerCall,
  DockerClient,
} from "../../../lib/agent/docker/client.ts";
import { loadImage, pullImage } from "../../../lib/agent/docker/images.ts";

/** A client whose streams consist of this text. */
function scripted(text: string) {
  const calls: DockerCall[] = [];
  const client: DockerClient = {
    host: "scripted",
    request: () => Promise.reject(new Error("unexpected call")),
    hijack: () => Promise.reject(new Error("unexpected call")),
    stream(call) {
      calls.push(call);
      return Promise.resolve((async function* () {
        yield utf8(text);
      })());
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { client, calls };
}

/** Inverse of the encoding of X-Registry-Auth. */
function decodeLogin(header: string): unknown {
  const bytes = Uint8Array.from(
    atob(header.replaceAll("-", "+").replaceAll("_", "/")),
    (character) => character.charCodeAt(0),
  );
  return JSON.parse(fromUtf8(bytes));
}

Deno.test("pullImage() maps the engine's errors to codes", async () => {
  const cases: [string, string][] = [
    ["manifest for x:1 not found: manifest unknown", "not_found"],
    ["pull access denied for x, may require 'docker login'", "unauthorized"],
    ["dial tcp: lookup registry: no such host", "unavailable"],
  ];
  for (const [error, code] of cases) {
    const { client } = scripted(JSON.stringify({ error }));
    await assert.rejects(pullImage(client, { image: "x:1" }), {
      code,
      message: `Cannot pull image "x:1": ${error}`,
    });
  }
});

Deno.test("pullImage() fails when there is no progress for a while, and not before", async () => {
  const { client } = scripted("");
  client.stream = (call) =>
    Promise.resolve((async function* () {
      for (let line = 0; line < 5; line++) {
        await SYSTEM_CLOCK.sleep(20);
        yield utf8('{"status":"Downloading"}\n');
      }
      await new Promise((_resolve, reject) =>
        onAbort(call.signal, (reason) => reject(reason))
      );
    })());
  const startMs = performance.now();
  await assert.rejects(
    pullImage(client, { image: "x:1", stallTimeoutMs: 60 }),
    {
      code: "unavailable",
      message: 'Cannot pull image "x:1": no progress for 60 ms',
    },
  );
  assert.ok(performance.now() - startMs >= 150);
});

Deno.test("pullImage() sends its login in a header as base64url", async () => {
  const { client, calls } = scripted('{"status":"done"}\n');
  await pullImage(client, {
    image: "r.example/x:1",
    login: {
      server: "r.example",
      username: "ü",
      password: "p>?",
      identityToken: "",
    },
  });
  const header = calls[0]?.headers?.["x-registry-auth"] ?? "";
  assert.match(header, /^[\w=-]+$/);
  assert.deepEqual(decodeLogin(header), {
    username: "ü",
    password: "p>?",
    serveraddress: "r.example",
  });
});

Deno.test("loadImage() fails with the engine's sentence", async () => {
  const { client } = scripted('{"error":"no space left on device"}\n');
  await assert.rejects(loadImage(client, new Uint8Array()), /no space left/);
});

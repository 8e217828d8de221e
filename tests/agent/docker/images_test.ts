// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import type {
  DockerCall,
  DockerClient,
} from "../../../lib/agent/docker/client.ts";
import {
  decodeLogin,
  loadImage,
  pullImage,
} from "../../../lib/agent/docker/images.ts";

/** A peer that says these lines to whatever is asked. */
function scripted(text: string) {
  const calls: DockerCall[] = [];
  const client: DockerClient = {
    host: "scripted",
    request: () => Promise.reject(new Error("not asked for")),
    hijack: () => Promise.reject(new Error("not asked for")),
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

Deno.test("pullImage() turns the engine's errors into codes", async () => {
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

Deno.test("pullImage() sends its login in a header", async () => {
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

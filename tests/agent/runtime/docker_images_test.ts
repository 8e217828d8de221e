// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  addDefaultTag,
  matchCredentials,
} from "../../../lib/agent/runtime/docker_images.ts";
import {
  create,
  RegistryCredentialSchema,
} from "../../../lib/shared/wire/mod.ts";

const servers = (image: string, registries: string[]) =>
  matchCredentials(
    image,
    registries.map((registry) =>
      create(RegistryCredentialSchema, { registry })
    ),
  ).map(({ server }) => server);

Deno.test("addDefaultTag() adds a tag only to a name without tag and digest", () => {
  const cases = {
    "busybox": "busybox:latest",
    "busybox:1": "busybox:1",
    "r.example:5000/a/b": "r.example:5000/a/b:latest",
    "r.example:5000/a/b:2": "r.example:5000/a/b:2",
    "a@sha256:0": "a@sha256:0",
  };
  for (const [image, expected] of Object.entries(cases)) {
    assert.equal(addDefaultTag(image), expected);
  }
});

Deno.test("matchCredentials() returns the matching logins, the most specific first", () => {
  const registries = [
    "https://index.docker.io/v1/",
    "r.example:5000",
    "r.example:5000/team",
  ];
  assert.deepEqual(servers("busybox", registries), [
    "https://index.docker.io/v1/",
  ]);
  assert.deepEqual(servers("r.example:5000/team/x:1", registries), [
    "r.example:5000/team",
    "r.example:5000",
  ]);
  assert.deepEqual(servers("r.example:5000/teammate/x", registries), [
    "r.example:5000",
  ]);
  assert.deepEqual(servers("other.example/x", registries), []);
  assert.deepEqual(servers("r.example:5000/team:1", registries), [
    "r.example:5000/team",
    "r.example:5000",
  ]);
});

Deno.test("matchCredentials() matches hosts with *, part by part", () => {
  const registries = ["*.r.example", "https://eu-*.r.example/team", "*.*.io"];
  const cases = {
    "a.r.example/x": ["*.r.example"],
    "eu-1.r.example/team/x": ["https://eu-*.r.example/team", "*.r.example"],
    "r.example/x": [],
    "a.b.r.example/x": [],
    "aXr.example/x": [],
    "a.r.example:5000/x": [],
    "a.b.io/x": ["*.*.io"],
  };
  for (const [image, expected] of Object.entries(cases)) {
    assert.deepEqual(servers(image, registries), expected, image);
  }
});

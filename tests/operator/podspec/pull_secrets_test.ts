// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Findings } from "../../../lib/operator/podspec/lookups.ts";
import { readRegistryCredentials } from "../../../lib/operator/podspec/pull_secrets.ts";
import { lookups, pod } from "./_support/fixtures.ts";

function read(
  secrets: Record<string, Record<string, string>>,
  names: string[],
) {
  const findings = new Findings();
  const from = pod({ imagePullSecrets: names.map((name) => ({ name })) });
  const credentials = readRegistryCredentials({
    pod: from,
    lookups: lookups({ secrets }),
    findings,
  });
  return {
    findings,
    credentials: credentials.map((
      { registry, username, password, identityToken },
    ) => [registry, username, password, identityToken]),
  };
}

Deno.test("readRegistryCredentials() reads both types of pull secrets", () => {
  const auths = {
    "reg:5000": { auth: btoa("me:se:cret") },
    "other.example/path": { username: "u", password: "p" },
    "token.example": { identitytoken: "t" },
  };
  const { credentials, findings } = read({
    modern: { ".dockerconfigjson": JSON.stringify({ auths }) },
    legacy: { ".dockercfg": JSON.stringify({ old: { auth: btoa("a:b") } }) },
  }, ["modern", "legacy"]);
  assert.deepEqual(credentials, [
    ["reg:5000", "me", "se:cret", ""],
    ["other.example/path", "u", "p", ""],
    ["token.example", "", "", "t"],
    ["old", "a", "b", ""],
  ]);
  assert.deepEqual(findings.warnings, []);
  assert.ok(findings.refs.has("Secret/ns/modern"));
});

Deno.test("readRegistryCredentials() warns of secrets that are missing or broken", () => {
  const { credentials, findings } = read({
    broken: { ".dockerconfigjson": "{" },
    opaque: { user: "x" },
  }, ["missing", "broken", "opaque"]);
  assert.deepEqual(credentials, []);
  assert.deepEqual(
    findings.warnings.map(({ reason, message }) => [
      reason,
      message.match(/\((.*)\)/)?.[1],
    ]),
    [["FailedToRetrieveImagePullSecret", "missing, broken, opaque"]],
  );
});

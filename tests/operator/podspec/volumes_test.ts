// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8 } from "../../../lib/shared/base/mod.ts";
import type { KubeVolume, Pod } from "../../../lib/operator/kube/mod.ts";
import {
  type FileContent,
  toFileBytes,
} from "../../../lib/operator/podspec/file_content.ts";
import { Findings } from "../../../lib/operator/podspec/lookups.ts";
import {
  listProjectedTokens,
  resolveVolume,
} from "../../../lib/operator/podspec/volumes.ts";
import { type Existing, lookups, pod } from "./_support/fixtures.ts";

/** The service account volume that the API server adds to pods. */
const ACCOUNT: KubeVolume = {
  name: "kube-api-access-x",
  projected: {
    defaultMode: 0o644,
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
      {
        configMap: {
          name: "kube-root-ca.crt",
          items: [{ key: "ca.crt", path: "ca.crt" }],
        },
      },
      {
        downwardAPI: {
          items: [{
            path: "namespace",
            fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" },
          }],
        },
      },
    ],
  },
};

function textOf(content: FileContent | undefined): string {
  return content ? fromUtf8(toFileBytes(content)) : "";
}

function resolve(
  volume: KubeVolume,
  { from = pod(), ...existing }: Existing & { from?: Pod } = {},
) {
  const findings = new Findings();
  const made = resolveVolume(volume, {
    pod: from,
    lookups: lookups(existing),
    findings,
  });
  const files = made.source.case === "files" ? made.source.value.files : [];
  return {
    made,
    findings,
    files: files.map(({ path, sha256, mode, uid }) => ({
      path,
      text: textOf(findings.blobs.get(sha256)),
      mode: mode.toString(8),
      ...(uid === undefined ? {} : { uid }),
    })),
  };
}

Deno.test("resolveVolume() fills the default service account volume", () => {
  const { made, files } = resolve(ACCOUNT, {
    token: "jwt",
    configMaps: { "kube-root-ca.crt": { data: { "ca.crt": "PEM", x: "y" } } },
  });
  assert.deepEqual(files, [
    { path: "token", text: "jwt", mode: "644" },
    { path: "ca.crt", text: "PEM", mode: "644" },
    { path: "namespace", text: "ns", mode: "644" },
  ]);
  assert.ok(made.source.case === "files" && made.source.value.secret);
});

Deno.test("resolveVolume() restricts a token to the pod's one user, or to its group", () => {
  const configMaps = { "kube-root-ca.crt": { data: { "ca.crt": "PEM" } } };
  const token = (securityContext: Pod["spec"]["securityContext"]) => {
    const from = pod(securityContext ? { securityContext } : {});
    return resolve(ACCOUNT, { from, token: "jwt", configMaps }).files[0];
  };
  assert.deepEqual(token({ runAsUser: 7 }), {
    path: "token",
    text: "jwt",
    mode: "600",
    uid: 7n,
  });
  assert.equal(token({ fsGroup: 9 })?.mode, "640");
});

Deno.test("listProjectedTokens() returns the tokens of all volumes", () => {
  assert.deepEqual(listProjectedTokens(pod({ volumes: [ACCOUNT] })), [
    { audience: "", expirationSeconds: 3607 },
  ]);
});

Deno.test("resolveVolume() takes all keys of a ConfigMap, text and binary", () => {
  const { files } = resolve({
    name: "v",
    configMap: { name: "cm", defaultMode: 0o400 },
  }, {
    configMaps: { cm: { data: { b: "two" }, binaryData: { a: btoa("one") } } },
  });
  assert.deepEqual(files, [
    { path: "a", text: "one", mode: "400" },
    { path: "b", text: "two", mode: "400" },
  ]);
});

Deno.test("resolveVolume() places a Secret's items at their paths, on tmpfs", () => {
  const { made, files } = resolve({
    name: "v",
    secret: {
      secretName: "s",
      items: [{ key: "k", path: "deep/er", mode: 0o600 }],
    },
  }, { secrets: { s: { k: "hidden", other: "no" } } });
  assert.deepEqual(files, [{ path: "deep/er", text: "hidden", mode: "600" }]);
  assert.ok(made.source.case === "files" && made.source.value.secret);
});

Deno.test("resolveVolume() blocks a volume when its source is missing", () => {
  const cases: [KubeVolume, Existing, RegExp][] = [
    [{ name: "v", configMap: { name: "cm" } }, {}, /configmap "cm" not found$/],
    [{ name: "v", secret: { secretName: "s" } }, {}, /secret "s" not found$/],
    [
      {
        name: "v",
        configMap: { name: "cm", items: [{ key: "k", path: "p" }] },
      },
      { configMaps: { cm: {} } },
      /configmap "cm" references non-existent key: k$/,
    ],
    [ACCOUNT, {}, /no token yet$/],
  ];
  for (const [volume, found, message] of cases) {
    const { made, findings } = resolve(volume, found);
    assert.equal(made.blocked?.reason, "FailedMount");
    assert.match(made.blocked?.message ?? "", message);
    assert.equal(findings.warnings[0]?.reason, "FailedMount");
  }
});

Deno.test("resolveVolume() returns no files for a missing source that is optional", () => {
  const { made, files } = resolve({
    name: "v",
    configMap: { name: "cm", optional: true },
  });
  assert.equal(made.blocked, undefined);
  assert.deepEqual(files, []);
});

Deno.test("resolveVolume() translates emptyDir and hostPath", () => {
  assert.deepEqual(
    resolve({ name: "v", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } })
      .made.source.value,
    {
      $typeName: "aranya.v1.EmptyDir",
      memory: true,
      sizeLimitBytes: 1048576n,
    },
  );
  const { source } =
    resolve({ name: "v", hostPath: { path: "/x", type: "File" } }).made;
  assert.ok(source.case === "hostPath");
  assert.equal(source.value.type, "File");
});

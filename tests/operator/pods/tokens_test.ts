// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { AranyaError, type Clock } from "../../../lib/shared/base/mod.ts";
import { PodTokens } from "../../../lib/operator/pods/tokens.ts";
import type { KubeClient, Pod } from "../../../lib/operator/kube/mod.ts";
import { create, type File, FileSchema } from "../../../lib/shared/wire/mod.ts";

const REQUEST = { audience: "", expirationSeconds: 1000 };
const POD: Pod = {
  metadata: { namespace: "ns", name: "web", uid: "u" },
  spec: {
    serviceAccountName: "robot",
    containers: [],
    volumes: [{
      name: "t",
      projected: {
        sources: [{
          serviceAccountToken: { path: "token", expirationSeconds: 1000 },
        }],
      },
    }],
  },
};

/**
 * Opens tokens with a manual clock and an API server that issues "t1", "t2" and so on. `random` is
 * what the spread of renewals gets.
 */
function open({ random = 0 } = {}) {
  const time = { ms: 0 };
  const clock: Clock = {
    monotonicMs: () => time.ms,
    wallMs: () => time.ms,
    sleep: () => Promise.resolve(),
  };
  const calls: unknown[] = [];
  const state: { failure?: AranyaError } = {};
  const client = {
    request: (call: { path: string; body: unknown }) => {
      calls.push([call.path, call.body]);
      if (state.failure) return Promise.reject(state.failure);
      const expirationTimestamp = new Date(time.ms + 1_000_000).toISOString();
      const token = `t${calls.length}`;
      return Promise.resolve({ status: { token, expirationTimestamp } });
    },
  } as unknown as KubeClient;
  const tokens = new PodTokens({ client, clock, random: () => random });
  /** Provides the tokens of a pod whose device holds these files. */
  const ensure = (tokenFiles: File[] = [], pod = POD) =>
    tokens.ensure(pod, { tokenFiles, signal: SIGNAL });
  const textOf = () => {
    const found = tokens.find("u", REQUEST);
    return "missing" in found ? undefined : found.text;
  };
  return { tokens, ensure, textOf, time, calls, state };
}

/** Returns a file with a token that expires and is due at these times. */
function tokenFile(
  times: { expires: number; renew: number },
  { sha256 = "abc", audience = "" } = {},
): File {
  return create(FileSchema, {
    path: "token",
    sha256,
    sizeBytes: 900n,
    token: {
      audience,
      expirationSeconds: 1000n,
      expiresUnixMs: BigInt(times.expires),
      renewUnixMs: BigInt(times.renew),
    },
  });
}

const SIGNAL = new AbortController().signal;

Deno.test("PodTokens.ensure() binds the token to the pod, and renews it at 80 % of its lifetime", async () => {
  const { tokens, ensure, textOf, time, calls } = open();
  assert.equal("missing" in tokens.find("u", REQUEST), true);
  assert.equal(await ensure(), 800_000);
  assert.deepEqual(calls[0], [
    "/api/v1/namespaces/ns/serviceaccounts/robot/token",
    {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {
        expirationSeconds: 1000,
        boundObjectRef: {
          kind: "Pod",
          apiVersion: "v1",
          name: "web",
          uid: "u",
        },
      },
    },
  ]);
  assert.deepEqual(tokens.find("u", REQUEST), {
    sha256: createHash("sha256").update("t1").digest("hex"),
    sizeBytes: 2,
    expiresUnixMs: 1_000_000,
    renewUnixMs: 800_000,
    text: "t1",
  });
  time.ms = 799_000;
  await ensure();
  assert.equal(textOf(), "t1");
  time.ms = 800_000;
  await ensure();
  assert.equal(textOf(), "t2");
});

Deno.test("PodTokens.ensure() keeps a valid token when the renewal fails", async () => {
  const { ensure, textOf, time, state } = open();
  await ensure();
  state.failure = new AranyaError("unavailable", "Cannot reach it");
  time.ms = 900_000;
  assert.equal(await ensure(), 30_000);
  assert.equal(textOf(), "t1");
  time.ms = 1_100_000;
  await assert.rejects(ensure(), { code: "unavailable" });
});

Deno.test("PodTokens.ensure() requests nothing for a pod without a projected token", async () => {
  const { ensure, calls } = open();
  const bare = { ...POD, spec: { containers: [] } };
  assert.equal(await ensure([], bare), undefined);
  assert.deepEqual(calls, []);
});

Deno.test("PodTokens.delete() drops a pod's tokens", async () => {
  const { tokens, ensure } = open();
  await ensure();
  tokens.delete("u");
  assert.equal("missing" in tokens.find("u", REQUEST), true);
});

Deno.test("PodTokens.ensure() adopts a valid token that the device holds, and renews it in time", async () => {
  const { tokens, ensure, textOf, time, calls } = open();
  time.ms = 5_000_000;
  const file = tokenFile({ expires: 5_500_000, renew: 5_300_000 });
  assert.equal(await ensure([file]), 300_000);
  assert.deepEqual(calls, []);
  assert.deepEqual(tokens.find("u", REQUEST), {
    sha256: "abc",
    sizeBytes: 900,
    expiresUnixMs: 5_500_000,
    renewUnixMs: 5_300_000,
  });
  time.ms = 5_300_000;
  await ensure([file]);
  assert.equal(textOf(), "t1");
});

Deno.test("PodTokens.ensure() keeps an adopted token when its renewal fails", async () => {
  const { tokens, ensure, time, state } = open();
  state.failure = new AranyaError("forbidden", "Cannot create token: no");
  time.ms = 5_000_000;
  const file = tokenFile({ expires: 5_500_000, renew: 4_900_000 });
  assert.equal(await ensure([file]), 30_000);
  assert.equal("missing" in tokens.find("u", REQUEST), false);
  time.ms = 5_500_000;
  await assert.rejects(ensure([file]), { code: "forbidden" });
});

Deno.test("PodTokens.ensure() adopts no token that has expired or is for another audience", async () => {
  const times = { expires: 900_000, renew: 800_000 };
  for (
    const { file, nowMs } of [
      { file: tokenFile(times), nowMs: 900_000 },
      { file: tokenFile(times, { audience: "vault" }), nowMs: 0 },
    ]
  ) {
    const { ensure, textOf, time } = open();
    time.ms = nowMs;
    await ensure([file]);
    assert.equal(textOf(), "t1");
  }
});

Deno.test("PodTokens.ensure() believes no device that its token lasts for years", async () => {
  const { ensure } = open();
  const file = tokenFile({ expires: 9e12, renew: 9e12 });
  assert.equal(await ensure([file]), 24 * 3600 * 1000);
});

Deno.test("PodTokens.ensure() spreads renewals over a fifth of the time", async () => {
  const { tokens, ensure } = open({ random: 1 });
  assert.equal(await ensure(), 640_000);
  const found = tokens.find("u", REQUEST);
  assert.ok(!("missing" in found));
  assert.equal(found.renewUnixMs, 640_000);
});

Deno.test("PodTokens.dropLost() drops an adopted token only", async () => {
  const { tokens, ensure, textOf } = open();
  await ensure([tokenFile({ expires: 900_000, renew: 800_000 })]);
  assert.equal(tokens.dropLost("u", "other"), false);
  assert.equal(tokens.dropLost("u-2", "abc"), false);
  assert.equal(tokens.dropLost("u", "abc"), true);
  await ensure();
  assert.equal(textOf(), "t1");
  const found = tokens.find("u", REQUEST);
  assert.ok(!("missing" in found));
  assert.equal(tokens.dropLost("u", found.sha256), false);
});

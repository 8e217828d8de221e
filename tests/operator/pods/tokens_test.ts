// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, type Clock } from "../../../lib/shared/base/mod.ts";
import { PodTokens } from "../../../lib/operator/pods/tokens.ts";
import type { KubeClient, Pod } from "../../../lib/operator/kube/mod.ts";

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

/** Opens tokens with a manual clock and an API server that issues "t1", "t2" and so on. */
function open() {
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
  return { tokens: new PodTokens(client, clock), time, calls, state };
}

const SIGNAL = new AbortController().signal;

Deno.test("PodTokens.ensure() binds the token to the pod, and renews it at 80 % of its lifetime", async () => {
  const { tokens, time, calls } = open();
  assert.equal("missing" in tokens.find("u", REQUEST), true);
  assert.equal(await tokens.ensure(POD, SIGNAL), 800_000);
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
  assert.deepEqual(tokens.find("u", REQUEST), { token: "t1" });
  time.ms = 799_000;
  await tokens.ensure(POD, SIGNAL);
  assert.deepEqual(tokens.find("u", REQUEST), { token: "t1" });
  time.ms = 800_000;
  await tokens.ensure(POD, SIGNAL);
  assert.deepEqual(tokens.find("u", REQUEST), { token: "t2" });
});

Deno.test("PodTokens.ensure() keeps a valid token when the renewal fails", async () => {
  const { tokens, time, state } = open();
  await tokens.ensure(POD, SIGNAL);
  state.failure = new AranyaError("unavailable", "Cannot reach it");
  time.ms = 900_000;
  assert.equal(await tokens.ensure(POD, SIGNAL), 30_000);
  assert.deepEqual(tokens.find("u", REQUEST), { token: "t1" });
  time.ms = 1_100_000;
  await assert.rejects(tokens.ensure(POD, SIGNAL), { code: "unavailable" });
});

Deno.test("PodTokens.ensure() requests nothing for a pod without a projected token", async () => {
  const { tokens, calls } = open();
  const bare = { ...POD, spec: { containers: [] } };
  assert.equal(await tokens.ensure(bare, SIGNAL), undefined);
  assert.deepEqual(calls, []);
});

Deno.test("PodTokens.delete() drops a pod's tokens", async () => {
  const { tokens } = open();
  await tokens.ensure(POD, SIGNAL);
  tokens.delete("u");
  assert.equal("missing" in tokens.find("u", REQUEST), true);
});

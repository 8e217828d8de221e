// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, type Clock } from "../../../lib/shared/base/mod.ts";
import { PodTokens } from "../../../lib/operator/pods/tokens.ts";
import type { KubeClient, Pod } from "../../../lib/operator/kube/mod.ts";

const WANT = { audience: "", expirationSeconds: 1000 };
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

/** A held clock, and an API server that gives out token after token. */
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

Deno.test("PodTokens.ensure() binds the token to the pod, and renews it at 80 % of its life", async () => {
  const { tokens, time, calls } = open();
  assert.equal("missing" in tokens.find("u", WANT), true);
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
  assert.deepEqual(tokens.find("u", WANT), { token: "t1" });
  time.ms = 799_000;
  await tokens.ensure(POD, SIGNAL);
  assert.deepEqual(tokens.find("u", WANT), { token: "t1" });
  time.ms = 800_000;
  await tokens.ensure(POD, SIGNAL);
  assert.deepEqual(tokens.find("u", WANT), { token: "t2" });
});

Deno.test("PodTokens.ensure() keeps the former token while no new one is to be had", async () => {
  const { tokens, time, state } = open();
  await tokens.ensure(POD, SIGNAL);
  state.failure = new AranyaError("unavailable", "Cannot reach it");
  time.ms = 900_000;
  assert.equal(await tokens.ensure(POD, SIGNAL), 30_000);
  assert.deepEqual(tokens.find("u", WANT), { token: "t1" });
  time.ms = 1_100_000;
  await assert.rejects(tokens.ensure(POD, SIGNAL), { code: "unavailable" });
});

Deno.test("PodTokens.ensure() has nothing to do for a pod without such a volume", async () => {
  const { tokens, calls } = open();
  const bare = { ...POD, spec: { containers: [] } };
  assert.equal(await tokens.ensure(bare, SIGNAL), undefined);
  assert.deepEqual(calls, []);
});

Deno.test("PodTokens.forget() drops a pod's tokens", async () => {
  const { tokens } = open();
  await tokens.ensure(POD, SIGNAL);
  tokens.forget("u");
  assert.equal("missing" in tokens.find("u", WANT), true);
});

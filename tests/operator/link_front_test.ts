// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createServer } from "node:net";
import {
  AranyaError,
  NO_METER,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../lib/shared/base/mod.ts";
import { createGrpcDialer } from "../../lib/shared/link/mod.ts";
import {
  initiateHandshake,
  NotLeaderError,
} from "../../lib/shared/noise/mod.ts";
import type { DeviceDirectory } from "../../lib/operator/fleet/mod.ts";
import { EDGE_DEVICE } from "../../lib/operator/kube/mod.ts";
import { LinkFront } from "../../lib/operator/link_front.ts";
import { until } from "../../dev/base/wait.ts";
import { CountingApi } from "./_support/counting_api.ts";

const endpoint = "10.0.0.2:9443";

/** Stands by; 10.0.0.2 leads. */
const STANDBY: DeviceDirectory = {
  find() {
    throw new NotLeaderError({
      reason: "this operator does not lead",
      endpoint,
    });
  },
  decided: () => Promise.resolve(),
};

function open(api: CountingApi, grpcPort = 0): LinkFront {
  return new LinkFront({
    client: api,
    namespace: api.namespace,
    hostAddresses: ["127.0.0.1"],
    grpcPort,
    directory: STANDBY,
    log: SILENT_LOGGER,
    meter: NO_METER,
    clock: SYSTEM_CLOCK,
  });
}

const signal = AbortSignal.timeout(300_000);

async function shakeHands(
  front: LinkFront,
  options: { host: string; serverName?: string },
): Promise<unknown> {
  const { host, ...rest } = options;
  const port = await front.waitForPort(signal);
  const { cert } = await front.readAuthority();
  const dialer = createGrpcDialer({
    endpoint: `${host}:${port}`,
    ca: cert,
    log: SILENT_LOGGER,
    ...rest,
  });
  const link = await dialer.dial({ signal });
  const key = new Uint8Array(32);
  return await initiateHandshake(link, { device: "edge-1", key });
}

Deno.test("LinkFront of a standby listens on both address families and names the leader", async () => {
  await using api = await CountingApi.open();
  await using front = open(api);
  const refusal = { details: { refusal: "NOT_LEADER", endpoint } };
  await assert.rejects(shakeHands(front, { host: "127.0.0.1" }), refusal);
  await assert.rejects(
    shakeHands(front, { host: "[::1]", serverName: "localhost" }),
    refusal,
  );
});

Deno.test("LinkFront has a certificate for the name that a device dials, also for an EdgeDevice created later", async () => {
  await using api = await CountingApi.open();
  await using front = open(api);
  await front.waitForPort(signal);
  const { namespace, name } = api;
  await api.putObject(EDGE_DEVICE, {
    metadata: { namespace, name },
    spec: {
      connectivity: { grpcConfig: { endpoint: "edge.example.org:443" } },
    },
  });
  const options = { host: "127.0.0.1", serverName: "edge.example.org" };
  await until(async () => {
    const error = await shakeHands(front, options).catch((error) => error);
    assert.ok(error instanceof AranyaError);
    return error.details?.refusal === "NOT_LEADER";
  }, "a certificate with the name");
});

Deno.test("LinkFront waits for a port that another process has", async () => {
  await using api = await CountingApi.open();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "::", () => resolve()));
  const address = other.address();
  const port = typeof address === "object" ? address?.port ?? 0 : 0;
  await using front = open(api, port);
  const waiting = front.waitForPort(signal);
  // So much as to be sure that it has tried.
  await until(
    async () => (await api.listKeys(EDGE_DEVICE)).length === 0,
    "an API server",
  );
  await new Promise((resolve) => other.close(resolve));
  assert.equal(await waiting, port);
});

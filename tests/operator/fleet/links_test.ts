// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  NO_METER,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import type { Link } from "../../../lib/shared/link/mod.ts";
import { serveLinks } from "../../../lib/operator/fleet/links.ts";
import {
  initiateHandshake,
  NotLeaderError,
} from "../../../lib/shared/noise/mod.ts";
import { createMemoryLinks } from "../../shared/session/_support/memory_link.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { Pipe } from "../../../dev/base/pipe.ts";

async function openListener(
  fixture: DeviceFixture,
  notLeader?: NotLeaderError,
) {
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(new AbortController().signal);
  const pipe = new Pipe<Link>({ capacity: 100 });
  const stop = new AbortController();
  const serving = serveLinks({
    listener: {
      address: { host: "127.0.0.1", port: 1 },
      links: pipe.readable,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    directory: {
      find(name) {
        if (notLeader) throw notLeader;
        return name === fixture.ref.name ? device : undefined;
      },
    },
    log: SILENT_LOGGER,
    meter: NO_METER,
    signal: stop.signal,
  });
  const dial = async () => {
    const { operator, agent } = createMemoryLinks({ clock: SYSTEM_CLOCK });
    await pipe.write(operator);
    return agent;
  };
  const end = async () => {
    stop.abort();
    pipe.end();
    await serving;
  };
  return { device, dial, end };
}

Deno.test("serveLinks() accepts a device with its credential", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, dial, end } = await openListener(fixture);
  const key = device.keys?.key ?? new Uint8Array(32);
  const sealed = await initiateHandshake(await dial(), {
    device: fixture.ref.name,
    key,
  });
  sealed.close("enough");
  await end();
});

Deno.test("serveLinks() refuses a wrong credential, an unknown device and garbage, and continues", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, dial, end } = await openListener(fixture);
  const key = new Uint8Array(32);
  for (const name of [fixture.ref.name, "unknown"]) {
    await assert.rejects(
      initiateHandshake(await dial(), { device: name, key }),
      {
        code: "unauthorized",
      },
    );
  }
  const garbage = await dial();
  await garbage.send(Uint8Array.from([9, 9, 9]));
  await garbage.closed;
  const right = device.keys?.key ?? key;
  const sealed = await initiateHandshake(await dial(), {
    device: fixture.ref.name,
    key: right,
  });
  sealed.close("enough");
  await end();
});

Deno.test("serveLinks() refuses a device as unavailable while its credential is not known yet", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, dial, end } = await openListener(fixture);
  const key = device.keys?.key ?? new Uint8Array(32);
  device.credential.revoke();
  await assert.rejects(
    initiateHandshake(await dial(), {
      device: fixture.ref.name,
      key,
    }),
    { code: "unavailable" },
  );
  await end();
});

Deno.test("serveLinks() refuses a device as unavailable while its connectivity method is not supported", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, dial, end } = await openListener(fixture);
  const key = device.keys?.key ?? new Uint8Array(32);
  device.observeEdge({
    ...device.edge,
    spec: { connectivity: { method: "mqtt" } },
  });
  await assert.rejects(
    initiateHandshake(await dial(), { device: fixture.ref.name, key }),
    { code: "unavailable" },
  );
  await end();
});

Deno.test("serveLinks() sends agents to the leader", async () => {
  await using fixture = await DeviceFixture.start();
  const endpoint = "10.0.0.2:9443";
  const { device, dial, end } = await openListener(
    fixture,
    new NotLeaderError({ reason: "another operator leads", endpoint }),
  );
  const key = device.keys?.key ?? new Uint8Array(32);
  await assert.rejects(
    initiateHandshake(await dial(), { device: fixture.ref.name, key }),
    { code: "unavailable", details: { refusal: "NOT_LEADER", endpoint } },
  );
  await end();
});

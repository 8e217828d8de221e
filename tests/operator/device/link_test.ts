// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  ConfigureSchema,
  create,
  decodeMessage,
  encodeMessage,
  FactsSchema,
  Method,
} from "../../../lib/shared/wire/mod.ts";
import {
  ACCEPTING_HANDLERS,
  DeviceFixture,
} from "../_support/device_fixture.ts";
import { until } from "../_support/wait.ts";

Deno.test("accept() tells the device its configuration, and again when it changes", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const told: string[] = [];
  device.configure("100.64.0.0/26");
  await fixture.connectAgent(device, {
    handlers: {
      ...ACCEPTING_HANDLERS,
      request(method, payload) {
        if (method === Method.CONFIGURE) {
          told.push(decodeMessage(ConfigureSchema, payload).podCidr);
        }
        return Promise.resolve(new Uint8Array());
      },
    },
  });
  await until(() => told.length === 1, "the configuration");
  device.configure("100.64.0.0/26");
  device.configure("10.1.0.0/26");
  await until(() => told.length === 2, "the new configuration");
  assert.deepEqual(told, ["100.64.0.0/26", "10.1.0.0/26"]);
});

Deno.test("accept() refuses another machine while one is in control, and the first stays", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  await fixture.connectAgent(device);
  await until(() => device.link.up, "a link");
  await assert.rejects(fixture.connectAgent(device, { machineId: "clone" }), {
    code: "conflict",
  });
  assert.equal(device.link.up, true);
  assert.deepEqual(device.troubles.map(({ type }) => type), [
    "DuplicateDevice",
  ]);
});

Deno.test("accept() lets the same machine take over from its former link", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const first = await fixture.connectAgent(device);
  await until(() => device.link.up, "a link");
  await fixture.connectAgent(device);
  await first.ended;
  assert.equal(device.link.up, true);
});

Deno.test("facts of the device are shown as its twin; measured conditions only while the link is up", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const agent = await fixture.connectAgent(device);
  const facts = create(FactsSchema, {
    os: "linux",
    conditions: [{ type: "DiskPressure", status: true }],
  });
  await agent.session.request(
    Method.REPORT_FACTS,
    encodeMessage(FactsSchema, facts),
    { timeoutMs: 2000 },
  );
  assert.equal(device.link.reported?.os, "linux");
  assert.equal(device.link.measured?.[0]?.type, "DiskPressure");
  agent.links.cut();
  await agent.ended;
  assert.equal(device.link.measured, undefined);
  assert.equal(device.link.reported?.os, "linux");
  assert.ok(device.link.offlineSinceMs);
});

Deno.test("stateOf() believes what a former leader wrote until the grace is over", async () => {
  const conditions = [{
    type: "Connected",
    status: "True" as const,
    reason: "LinkUp",
    message: "up",
    lastTransitionTime: "2026-01-02T03:04:05Z",
  }];
  await using during = await DeviceFixture.start({ reconnectGraceMs: 60_000 });
  const early = await during.createDevice({ status: { conditions } });
  assert.equal(early.device.link.stateOf(early.device.edge).connected, true);
  await using after = await DeviceFixture.start();
  const late = await after.createDevice({ status: { conditions } });
  assert.equal(late.device.link.stateOf(late.device.edge).reason, "LinkLost");
});

Deno.test("end() closes the link at once", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.up, "a link");
  device.link.end("revoked");
  await agent.ended;
  assert.equal(device.link.up, false);
  assert.match(device.link.stateOf(device.edge).message, /revoked/);
});

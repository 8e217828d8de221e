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
import { until } from "../../../dev/base/wait.ts";

Deno.test("accept() configures the device, and again when the configuration changes", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const sent: string[] = [];
  device.configure("100.64.0.0/26");
  await fixture.connectAgent(device, {
    handlers: {
      ...ACCEPTING_HANDLERS,
      request(method, payload) {
        if (method === Method.CONFIGURE) {
          sent.push(decodeMessage(ConfigureSchema, payload).podCidr);
        }
        return Promise.resolve(new Uint8Array());
      },
    },
  });
  await until(() => sent.length === 1, "the configuration");
  device.configure("100.64.0.0/26");
  device.configure("10.1.0.0/26");
  await until(() => sent.length === 2, "the new configuration");
  assert.deepEqual(sent, ["100.64.0.0/26", "10.1.0.0/26"]);
});

Deno.test("accept() refuses another machine while one is connected", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  await assert.rejects(fixture.connectAgent(device, { machineId: "clone" }), {
    code: "conflict",
  });
  assert.equal(device.link.isUp, true);
  assert.deepEqual(device.problems.map(({ type }) => type), [
    "DuplicateDevice",
  ]);
});

Deno.test("accept() replaces the link of the same machine", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const first = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  await fixture.connectAgent(device);
  await first.ended;
  assert.equal(device.link.isUp, true);
});

Deno.test("reported keeps the last report; measured is undefined while the link is down", async () => {
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

Deno.test("toConnectedCondition() keeps what the former leader wrote until the reconnect deadline", async () => {
  const conditions = [{
    type: "Connected",
    status: "True" as const,
    reason: "LinkUp",
    message: "up",
    lastTransitionTime: "2026-01-02T03:04:05Z",
  }];
  await using during = await DeviceFixture.start({ reconnectGraceMs: 60_000 });
  const early = await during.createDevice({ status: { conditions } });
  assert.equal(
    early.device.link.toConnectedCondition(early.device.edge).connected,
    true,
  );
  await using after = await DeviceFixture.start();
  const late = await after.createDevice({ status: { conditions } });
  assert.equal(
    late.device.link.toConnectedCondition(late.device.edge).reason,
    "LinkLost",
  );
});

Deno.test("closeLink() closes the link at once", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  device.link.closeLink("revoked");
  await agent.ended;
  assert.equal(device.link.isUp, false);
  assert.match(
    device.link.toConnectedCondition(device.edge).message,
    /revoked/,
  );
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  BlobsSchema,
  ConfigureSchema,
  create,
  decodeMessage,
  encodeEnvelope,
  encodeMessage,
  EnvelopeKind,
  FactsSchema,
  FetchBlobsSchema,
  HelloSchema,
  Method,
  StreamPointSchema,
} from "../../../lib/shared/wire/mod.ts";
import {
  ACCEPTING_HANDLERS,
  DeviceFixture,
  SETTINGS,
} from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";
import {
  BytePace,
  MEBIBYTE,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import type { Link } from "../../../lib/shared/link/mod.ts";
import {
  createSession,
  greetAsAgent,
} from "../../../lib/shared/session/mod.ts";
import { createMemoryLinks } from "../../shared/session/_support/memory_link.ts";

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

Deno.test("accept() refuses another machine until the device has been offline for offlineAfter", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  agent.links.cut();
  await agent.ended;
  fixture.clock.advance(SETTINGS.offlineAfterMs - 10_000);
  await assert.rejects(fixture.connectAgent(device, { machineId: "clone" }), {
    code: "conflict",
  });
  fixture.clock.advance(10_000);
  await fixture.connectAgent(device, { machineId: "clone" });
  await until(() => device.link.isUp, "the link of the other machine");
});

Deno.test("accept() closes a link whose credential was revoked while the welcome was sent", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  device.credential.adopt(undefined);
  const key = device.findKeys()?.key;
  assert.ok(key);
  const { operator, agent } = createMemoryLinks({ clock: SYSTEM_CLOCK });
  const link: Link = {
    ...operator,
    packets: operator.packets,
    closed: operator.closed,
    async send(packet) {
      await operator.send(packet);
      device.revoke();
      device.credential.adopt(undefined);
    },
    close: (reason) => operator.close(reason),
    markAuthenticated: () => operator.markAuthenticated(),
  };
  const accepted = device.accept({ link, key });
  const session = fixture.scope.use(createSession({
    side: "agent",
    handlers: ACCEPTING_HANDLERS,
    log: SILENT_LOGGER,
  }));
  const greeting = await greetAsAgent(agent, {
    session,
    capabilities: [],
    agentVersion: "0.1.0",
    machineId: "machine-1",
    bootId: "boot-1",
  });
  let reason = "";
  const running = session.run(agent, greeting).then((end) =>
    reason = end.reason
  );
  await until(() => reason !== "", "the end of the link");
  assert.match(reason, /the device's credential has just been changed/);
  assert.equal(device.link.isUp, false);
  await Promise.all([accepted, running]);
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
    { timeoutMs: 30_000 },
  );
  assert.equal(device.link.reported?.os, "linux");
  assert.equal(device.link.measured?.[0]?.type, "DiskPressure");
  agent.links.cut();
  await agent.ended;
  assert.equal(device.link.measured, undefined);
  assert.equal(device.link.reported?.os, "linux");
  assert.ok(device.link.offlineSinceMs);
});

Deno.test("onFactsReported() enqueues all pods when the switches for pods have changed", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const agent = await fixture.connectAgent(device);
  let changeCount = 0;
  device.pods.onSwitchesChanged = () => void changeCount++;
  const report = (facts: MessageInitShape<typeof FactsSchema>) =>
    agent.session.request(
      Method.REPORT_FACTS,
      encodeMessage(FactsSchema, create(FactsSchema, facts)),
      { timeoutMs: 30_000 },
    );
  await report({ os: "linux" });
  assert.equal(changeCount, 0);
  const pods = { privileged: false, hostPath: true, hostNamespaces: true };
  await report({ os: "linux", pods });
  await report({ os: "linux", hostname: "edge", pods });
  const { privileged, hostPath, hostNamespaces } = device.podSwitches ?? {};
  assert.deepEqual({ privileged, hostPath, hostNamespaces }, pods);
  assert.equal(changeCount, 1);
  agent.links.cut();
  await agent.ended;
  // Until the next report, the last one is all that is known.
  assert.equal(device.link.podSwitches?.privileged, false);
});

Deno.test("pressures are those that were reported over the link that is up", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const first = await fixture.connectAgent(device);
  const report = async (
    { session }: typeof first,
    trueTypes: readonly string[],
  ) => {
    const conditions = [
      "RuntimeReady",
      "MemoryPressure",
      "DiskPressure",
      "PIDPressure",
    ].map((type) => ({ type, status: trueTypes.includes(type) }));
    await session.request(
      Method.REPORT_FACTS,
      encodeMessage(FactsSchema, create(FactsSchema, { conditions })),
      { timeoutMs: 30_000 },
    );
  };
  assert.deepEqual(device.pressures, []);
  await report(first, ["RuntimeReady"]);
  assert.deepEqual(device.pressures, []);
  await report(first, ["RuntimeReady", "DiskPressure", "PIDPressure"]);
  assert.deepEqual(device.pressures, ["DiskPressure", "PIDPressure"]);
  first.links.cut();
  await first.ended;
  assert.deepEqual(device.pressures, []);
  // It may be over since.
  const second = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  assert.deepEqual(device.pressures, []);
  await report(second, ["MemoryPressure"]);
  assert.deepEqual(device.pressures, ["MemoryPressure"]);
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

Deno.test("closeUnlessAccepted() closes the link of a key that is no longer accepted, and keeps it else", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  device.link.closeUnlessAccepted("changed");
  device.credential.rotate();
  device.link.closeUnlessAccepted("changed");
  assert.equal(device.link.isUp, true);
  device.credential.confirm();
  device.link.closeUnlessAccepted("revoked");
  await agent.ended;
  assert.equal(device.link.isUp, false);
  assert.match(
    device.link.toConnectedCondition(device.edge).message,
    /revoked/,
  );
});

Deno.test("closeUnlessAccepted() keeps the link of a device that has stored the new key", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  device.credential.rotate();
  device.rotation.send();
  await device.rotation.settled();
  device.link.closeUnlessAccepted("changed");
  assert.equal(device.link.isUp, true);
});

Deno.test("accept() confirms a rotation when the agent proved to have the new key, and not with the previous one", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  device.credential.adopt(undefined);
  device.credential.rotate();
  const { key, previousKey } = device.findKeys() ?? {};
  assert.ok(key && previousKey);
  await fixture.connectAgent(device, { key: previousKey });
  await until(() => device.link.isUp, "a link");
  assert.equal(device.credential.isRotating, true);
  const agent = await fixture.connectAgent(device, { key });
  await until(() => !device.credential.isRotating, "the confirmation");
  assert.deepEqual(device.findKeys(), { key });
  agent.links.cut();
});

Deno.test("accept() does not confirm a rotation for another machine that it refuses", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  device.credential.rotate();
  const { key } = device.findKeys() ?? {};
  assert.ok(key);
  await assert.rejects(
    fixture.connectAgent(device, { key, machineId: "clone" }),
    { code: "conflict" },
  );
  assert.equal(device.credential.isRotating, true);
});

Deno.test("accept() reports an agent without a protocol version that is supported", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  device.credential.adopt(undefined);
  const { operator, agent } = createMemoryLinks({ clock: SYSTEM_CLOCK });
  const accepted = device.accept({
    link: operator,
    key: device.findKeys()?.key ?? new Uint8Array(),
  });
  await agent.send(encodeEnvelope({
    kind: EnvelopeKind.HELLO,
    stream: 0,
    sequence: 0,
    complete: true,
    payload: encodeMessage(HelloSchema, {
      protocolVersion: 9,
      minProtocolVersion: 8,
    }),
  }));
  await agent.packets[Symbol.asyncIterator]().next();
  agent.close("refused");
  await accepted;
  assert.match(
    device.problems[0]?.message ?? "",
    /protocol version is 9, expected 1 to 1/,
  );
});

Deno.test("accept() paces a device that opens link after link", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const startMs = performance.now();
  for (let count = 0; count < 48; count++) {
    const { links, ended } = await fixture.connectAgent(device);
    links.cut();
    await ended;
  }
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= 2_500, `48 links in ${tookMs} ms`);
  // A link that ends meanwhile is waited for no longer, and costs nothing of the pace.
  const { operator, agent } = createMemoryLinks({ clock: SYSTEM_CLOCK });
  const key = device.findKeys()?.key ?? new Uint8Array();
  const accepted = device.accept({ link: operator, key });
  agent.close("enough");
  await accepted;
});

Deno.test("accept() reads requests at the device's pace", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const agent = await fixture.connectAgent(device);
  const startMs = performance.now();
  for (let count = 0; count < 6; count++) {
    await assert.rejects(
      agent.session.request(Method.GET_STATS, new Uint8Array(MEBIBYTE / 4), {
        timeoutMs: 30_000,
      }),
      { code: "unsupported" },
    );
  }
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= 1_500, `1.5 MiB in ${tookMs} ms`);
});

Deno.test("accept() paces a device by the fields of its reports, however short they are", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const agent = await fixture.connectAgent(device);
  const conditions = Array.from({ length: 4000 }, () => ({}));
  const facts = encodeMessage(FactsSchema, { conditions });
  const startMs = performance.now();
  for (let count = 0; count < 6; count++) {
    await agent.session.request(Method.REPORT_FACTS, facts, {
      timeoutMs: 30_000,
    });
  }
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= 1_200, `24,000 fields in ${tookMs} ms`);
});

Deno.test("accept() paces a device by the fields of its Hellos", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  device.credential.adopt(undefined);
  const key = device.findKeys()?.key ?? new Uint8Array();
  const points = Array.from(
    { length: 4000 },
    () => create(StreamPointSchema),
  );
  const startMs = performance.now();
  for (let count = 0; count < 6; count++) {
    const { operator, agent } = createMemoryLinks({ clock: SYSTEM_CLOCK });
    const accepted = device.accept({ link: operator, key });
    const session = createSession({
      side: "agent",
      handlers: ACCEPTING_HANDLERS,
      log: SILENT_LOGGER,
    });
    await greetAsAgent(agent, {
      session: Object.assign(session, { resumePoints: () => points }),
      capabilities: [],
      agentVersion: "0.1.0",
      machineId: "machine-1",
      bootId: "boot-1",
    });
    agent.close("enough");
    await accepted;
    await session.close();
  }
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= 1_900, `24,000 fields in ${tookMs} ms`);
});

Deno.test("accept() refuses requests above the memory of all devices, and small ones never", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  using others = fixture.context.limits.requests.join();
  for (let bytes = 0; others.resize(bytes += MEBIBYTE / 8););
  const agent = await fixture.connectAgent(device);
  const send = (byteCount: number) =>
    agent.session.request(Method.GET_STATS, new Uint8Array(byteCount), {
      timeoutMs: 30_000,
    });
  await assert.rejects(send(600_000), {
    code: "unavailable",
    message: /the memory for requests of all devices is used up/,
  });
  await assert.rejects(send(500_000), { code: "unsupported" });
});

Deno.test("accept() has few greetings at a time: a new one replaces the oldest", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  device.credential.adopt(undefined);
  const key = device.findKeys()?.key ?? new Uint8Array();
  const openSilent = () => {
    const { operator, agent } = createMemoryLinks({ clock: SYSTEM_CLOCK });
    const state = { isOpen: true, reason: "" };
    void operator.closed.then(({ reason }) => {
      state.isOpen = false;
      state.reason = reason;
    });
    return { state, agent, accepted: device.accept({ link: operator, key }) };
  };
  const silent = Array.from({ length: 6 }, openSilent);
  const openCount = () => silent.filter(({ state }) => state.isOpen).length;
  await until(() => openCount() === 4, "two of six are closed");
  assert.deepEqual(silent.map(({ state }) => state.isOpen), [
    false,
    false,
    true,
    true,
    true,
    true,
  ]);
  assert.match(
    silent[0]?.state.reason ?? "",
    /too many links of the device are being opened/,
  );
  // The device itself gets in meanwhile.
  await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  assert.equal(openCount(), 3);
  for (const { agent } of silent) agent.close("enough");
  await Promise.all(silent.map(({ accepted }) => accepted));
});

Deno.test("accept() answers requests for contents one after the other, at a pace of their own", async () => {
  await using fixture = await DeviceFixture.start();
  const { clock, context } = fixture;
  const createContentPace = () =>
    new BytePace({
      burstBytes: 1500,
      bytesPerSecond: 1000,
      maxDelayMs: 10_000,
      clock,
    });
  Object.assign(context, { limits: { ...context.limits, createContentPace } });
  const { device } = await fixture.createDevice();
  const calls = { count: 0, running: 0, most: 0 };
  Object.assign(device, {
    fetchBlobs: async () => {
      calls.count++;
      calls.most = Math.max(calls.most, ++calls.running);
      await Promise.resolve();
      calls.running--;
      return create(BlobsSchema, { contents: [new Uint8Array(1000)] });
    },
  });
  const agent = await fixture.connectAgent(device);
  const request = encodeMessage(FetchBlobsSchema, { sha256: ["a"] });
  const startMs = performance.now();
  const fetch = (timeoutMs: number) =>
    agent.session.request(Method.FETCH_BLOBS, request, { timeoutMs });
  await Promise.all([fetch(30_000), fetch(30_000), fetch(30_000)]);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= 500, `it took ${tookMs} ms`);
  assert.deepEqual(calls, { count: 3, running: 0, most: 1 });
  // Those that the device waits for no longer are not served, nor do they delay others.
  clock.advance(10_000);
  await fetch(30_000);
  await fetch(30_000);
  const timedOut = { code: "timed_out" };
  await Promise.all([
    assert.rejects(fetch(1), timedOut),
    assert.rejects(fetch(1), timedOut),
  ]);
  await fetch(30_000);
  assert.equal(calls.count, 6);
});

Deno.test("accept() serves one request for contents at a time, and none that the device waits for no longer", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const gate = Promise.withResolvers<void>();
  let callCount = 0;
  Object.assign(device, {
    fetchBlobs: async () => {
      callCount++;
      await gate.promise;
      return create(BlobsSchema, { contents: [] });
    },
  });
  const { session } = await fixture.connectAgent(device);
  const request = encodeMessage(FetchBlobsSchema, { sha256: ["a"] });
  const fetch = (timeoutMs: number) =>
    session.request(Method.FETCH_BLOBS, request, { timeoutMs });
  /** Resolves when the operator has read what was sent before. */
  const untilRead = () =>
    assert.rejects(
      session.request(Method.GET_STATS, new Uint8Array(), {
        timeoutMs: 30_000,
      }),
      { code: "unsupported" },
    );
  const served = [fetch(30_000), fetch(30_000)];
  await assert.rejects(fetch(100), { code: "timed_out" });
  await untilRead();
  assert.equal(callCount, 1);
  gate.resolve();
  await Promise.all(served);
  await fetch(30_000);
  assert.equal(callCount, 3);
});

Deno.test("accept() prepares no contents for a device that has not received earlier ones", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  let callCount = 0;
  Object.assign(device, {
    fetchBlobs: () => {
      callCount++;
      return Promise.resolve(create(BlobsSchema, { contents: [] }));
    },
  });
  const agent = await fixture.connectAgent(device);
  let responseBytes = 4 * MEBIBYTE;
  Object.defineProperty(device.link.session, "responseBytes", {
    get: () => responseBytes,
  });
  const request = encodeMessage(FetchBlobsSchema, { sha256: ["a"] });
  const fetch = () =>
    agent.session.request(Method.FETCH_BLOBS, request, { timeoutMs: 30_000 });
  await fetch();
  responseBytes++;
  await assert.rejects(fetch(), {
    code: "unavailable",
    message: /it has not received 4194305 bytes of earlier responses/,
  });
  assert.equal(callCount, 1);
});

Deno.test("accept() reads a Hello after half of the time that an agent waits for its welcome", async () => {
  await using fixture = await DeviceFixture.start();
  const { context } = fixture;
  const createPace = () =>
    new BytePace({
      burstBytes: 0,
      bytesPerSecond: 1,
      maxDelayMs: 60_000,
      clock: fixture.clock,
    });
  Object.assign(context, { limits: { ...context.limits, createPace } });
  const { device } = await fixture.createDevice();
  const first = await fixture.connectAgent(device);
  first.links.cut();
  await first.ended;
  // greetAsAgent() gives up after 10 s.
  const second = await fixture.connectAgent(device);
  assert.ok(second);
});

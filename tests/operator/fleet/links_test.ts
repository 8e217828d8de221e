// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  equalBytes,
  type Logger,
  NO_METER,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import type { Link } from "../../../lib/shared/link/mod.ts";
import type { Device } from "../../../lib/operator/device/mod.ts";
import { serveLinks } from "../../../lib/operator/fleet/links.ts";
import { SECRET } from "../../../lib/operator/kube/mod.ts";
import {
  initiateHandshake,
  NotLeaderError,
} from "../../../lib/shared/noise/mod.ts";
import { encodeInit, toPrologue } from "../../../lib/shared/noise/frames.ts";
import { NoiseHandshake } from "../../../lib/shared/noise/noise.ts";
import { createMemoryLinks } from "../../shared/session/_support/memory_link.ts";
import {
  createSession,
  greetAsAgent,
} from "../../../lib/shared/session/mod.ts";
import {
  ACCEPTING_HANDLERS,
  DeviceFixture,
} from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";
import { Pipe } from "../../../dev/base/pipe.ts";

async function openListener(
  fixture: DeviceFixture,
  { notLeader, leadingFinds = 0, decided, log = SILENT_LOGGER }: {
    /** Thrown for each device that is looked up, after so many that are not. */
    notLeader?: NotLeaderError;
    leadingFinds?: number;
    /** When it is known who leads. @default at once */
    decided?: Promise<void>;
    log?: Logger;
  } = {},
) {
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(new AbortController().signal);
  let findCount = 0;
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
        if (notLeader && ++findCount > leadingFinds) throw notLeader;
        return name === fixture.ref.name ? device : undefined;
      },
      decided: () => decided ?? Promise.resolve(),
    },
    log,
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
  const key = device.findKeys()?.key ?? new Uint8Array(32);
  const sealed = await initiateHandshake(await dial(), {
    device: fixture.ref.name,
    key,
  });
  sealed.close("enough");
  await end();
});

Deno.test("serveLinks() has an agent wait until it is known who leads", async () => {
  await using fixture = await DeviceFixture.start();
  const { promise: decided, resolve } = Promise.withResolvers<void>();
  const { device, dial, end } = await openListener(fixture, { decided });
  let isSecured = false;
  const securing = initiateHandshake(await dial(), {
    device: fixture.ref.name,
    key: device.findKeys()?.key ?? new Uint8Array(32),
  }).finally(() => isSecured = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(isSecured, false);
  resolve();
  (await securing).close("enough");
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
  const right = device.findKeys()?.key ?? key;
  const sealed = await initiateHandshake(await dial(), {
    device: fixture.ref.name,
    key: right,
  });
  sealed.close("enough");
  await end();
});

Deno.test("serveLinks() refuses a device without a credential like an unknown one", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, dial, end } = await openListener(fixture);
  const key = device.findKeys()?.key ?? new Uint8Array(32);
  const { namespace, name } = fixture.ref;
  await fixture.api.deleteObject(SECRET, { namespace, name: `${name}-agent` });
  await fixture.waitForInformers();
  device.revoke();
  await assert.rejects(
    initiateHandshake(await dial(), { device: name, key }),
    {
      code: "unauthorized",
      message: /the operator refused: unknown device or wrong credential$/,
    },
  );
  await end();
});

Deno.test("serveLinks() reports an unsupported connectivity method only to an agent with the credential", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, dial, end } = await openListener(fixture);
  const key = device.findKeys()?.key ?? new Uint8Array(32);
  const { name } = fixture.ref;
  device.observeEdge({
    ...device.edge,
    spec: { connectivity: { method: "mqtt" } },
  });
  await assert.rejects(
    initiateHandshake(await dial(), { device: name, key: new Uint8Array(32) }),
    {
      code: "unauthorized",
      message: /the operator refused: unknown device or wrong credential$/,
    },
  );
  const link = await initiateHandshake(await dial(), { device: name, key });
  await assert.rejects(greet(link), {
    code: "unavailable",
    message: /: the connectivity method of its EdgeDevice is not supported$/,
  });
  assert.equal(device.link.isUp, false);
  await end();
});

Deno.test("serveLinks() sends agents to the leader", async () => {
  await using fixture = await DeviceFixture.start();
  const endpoint = "10.0.0.2:9443";
  const { device, dial, end } = await openListener(
    fixture,
    {
      notLeader: new NotLeaderError({
        reason: "another operator leads",
        endpoint,
      }),
    },
  );
  const key = device.findKeys()?.key ?? new Uint8Array(32);
  await assert.rejects(
    initiateHandshake(await dial(), { device: fixture.ref.name, key }),
    { code: "unavailable", details: { refusal: "NOT_LEADER", endpoint } },
  );
  await end();
});

Deno.test("serveLinks() closes a link when another operator has become the leader during the handshake", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, dial, end } = await openListener(fixture, {
    notLeader: new NotLeaderError({ reason: "another operator leads" }),
    leadingFinds: 1,
  });
  const key = device.findKeys()?.key ?? new Uint8Array(32);
  const { name } = fixture.ref;
  const link = await initiateHandshake(await dial(), { device: name, key });
  await assert.rejects(greet(link), {
    code: "unavailable",
    message: /the device is no longer served/,
  });
  await end();
});

Deno.test("serveLinks() writes one line about all unknown devices, and one about each that exists", async () => {
  await using fixture = await DeviceFixture.start();
  const refused: string[] = [];
  const { dial, end } = await openListener(fixture, {
    log: {
      ...SILENT_LOGGER,
      warn: (_message, { device = "" } = {}) => void refused.push(device),
    },
  });
  const { name } = fixture.ref;
  for (const device of ["unknown-1", "unknown-2", name, "unknown-3", name]) {
    const key = new Uint8Array(32);
    await assert.rejects(initiateHandshake(await dial(), { device, key }), {
      code: "unauthorized",
    });
  }
  await end();
  assert.deepEqual(refused, ["unknown-1", name]);
});

Deno.test("serveLinks() accepts a device whose Secret is known before its first reconciliation", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, end } = await openListener(fixture);
  const key = device.findKeys()?.key ?? new Uint8Array(32);
  await end();
  await fixture.waitForInformers();
  const later = fixture.openDevice(device.edge);
  assert.deepEqual(later.device.findKeys(), { key });
});

/** The agent's end of a link whose confirming packet is held back. */
interface HeldLink {
  link: Link;
  /** Resolves when the agent wants to send its confirming packet. */
  held: Promise<void>;
  release: () => void;
}

function holdConfirmation(link: Link): HeldLink {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: held, resolve: hold } = Promise.withResolvers<void>();
  let count = 0;
  return {
    held,
    release,
    link: new Proxy(link, {
      get(target, name) {
        if (name === "send") {
          return async (packet: Uint8Array) => {
            if (++count === 2) {
              hold();
              await released;
            }
            return target.send(packet);
          };
        }
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
  };
}

/** Begins a handshake with the device's key; it is completed once `release` is called. */
async function holdHandshake(device: Device, dialed: Link) {
  const key = device.findKeys()?.key ?? new Uint8Array(32);
  const { link, held, release } = holdConfirmation(dialed);
  const handshake = initiateHandshake(link, { device: device.name, key });
  await held;
  return { key, release, handshake };
}

/** Greets over a link that has completed the handshake. */
async function greet(link: Link) {
  const session = createSession({
    side: "agent",
    handlers: ACCEPTING_HANDLERS,
    log: SILENT_LOGGER,
  });
  const greeting = await greetAsAgent(link, {
    session,
    capabilities: [],
    agentVersion: "0.1.0",
    machineId: "machine-1",
    bootId: "boot-1",
  });
  return { session, greeting };
}

Deno.test("serveLinks() keeps the key of a device whose handshake was under way when a rotation began", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, dial, end } = await openListener(fixture);
  const { key, release, handshake } = await holdHandshake(device, await dial());
  device.credential.rotate();
  release();
  const sealed = await handshake;
  const { session, greeting } = await greet(sealed);
  const running = session.run(sealed, greeting);
  await until(() => device.link.isUp, "the link");
  const { key: present, previousKey } = device.findKeys() ?? { key };
  assert.ok(
    [present, previousKey].some((each) => each && equalBytes(each, key)),
    "the key that the device has is no longer accepted",
  );
  await session.close();
  await running;
  await end();
});

Deno.test("serveLinks() refuses a handshake whose credential was revoked before it ended", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, dial, end } = await openListener(fixture);
  const { release, handshake } = await holdHandshake(device, await dial());
  device.revoke();
  device.credential.adopt(undefined);
  release();
  await assert.rejects(greet(await handshake), { code: "unauthorized" });
  assert.equal(device.link.isUp, false);
  await end();
});

/** Sends the first frame of a later framing version, and waits until the operator has refused. */
async function sendLaterVersion(
  link: Link,
  { device, key }: { device: string; key: Uint8Array },
): Promise<void> {
  const context = { framingVersion: 99, linkId: 7, device };
  const noise = new NoiseHandshake({
    role: "initiator",
    prologue: toPrologue(context),
    psk: key,
  });
  await link.send(encodeInit({ ...context, noise: noise.writeMessage() }));
  await link.closed;
}

Deno.test("serveLinks() lets only an agent that holds the credential set the condition VersionNotServed", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, dial, end } = await openListener(fixture);
  const { name } = fixture.ref;
  const key = device.findKeys()?.key;
  assert.ok(key);
  await sendLaterVersion(await dial(), {
    device: name,
    key: new Uint8Array(32),
  });
  await sendLaterVersion(await dial(), { device: "unknown", key });
  assert.deepEqual(device.problems, []);
  await sendLaterVersion(await dial(), { device: name, key });
  const problems = await until(() =>
    device.problems.length > 0 && device.problems
  );
  assert.deepEqual(problems.map(({ type, reason }) => [type, reason]), [
    ["VersionNotServed", "AgentVersion"],
  ]);
  assert.match(problems[0]?.message ?? "", /framing version is 99, expected 1/);
  await end();
});

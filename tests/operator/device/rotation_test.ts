// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { SessionHandlers } from "../../../lib/shared/session/mod.ts";
import {
  decodeMessage,
  Method,
  RotateCredentialSchema,
} from "../../../lib/shared/wire/mod.ts";
import {
  ACCEPTING_HANDLERS,
  DeviceFixture,
} from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

/** A connected agent with a credential, and the keys that it was sent. */
async function connect(
  fixture: DeviceFixture,
  answer: () => Promise<Uint8Array>,
) {
  const { device } = await fixture.createDevice();
  device.credential.adopt(undefined);
  const keys: Uint8Array[] = [];
  const handlers: SessionHandlers = {
    ...ACCEPTING_HANDLERS,
    request(method, payload) {
      if (method !== Method.ROTATE_CREDENTIAL) {
        return Promise.resolve(new Uint8Array());
      }
      keys.push(decodeMessage(RotateCredentialSchema, payload).key);
      return answer();
    },
  };
  await fixture.connectAgent(device, { handlers });
  await until(() => device.link.isUp, "a link");
  return { device, keys };
}

Deno.test("send() sends the new key once, and only a link made with it ends the rotation", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, keys } = await connect(
    fixture,
    () => Promise.resolve(new Uint8Array()),
  );
  device.rotation.send();
  await device.rotation.settled();
  assert.deepEqual(keys, []);
  device.credential.rotate();
  device.rotation.send();
  device.rotation.send();
  await device.rotation.settled();
  const { key = new Uint8Array(), previousKey = key } = device.findKeys() ?? {};
  assert.deepEqual(keys, [key]);
  assert.equal(device.credential.isRotating, true);
  assert.equal(device.acceptsKey(previousKey), true);
  // Its agent has stored the key.
  device.rotation.send();
  await device.rotation.settled();
  assert.equal(keys.length, 1);
  await fixture.connectAgent(device, { key });
  await until(() => !device.credential.isRotating, "the end of the rotation");
  assert.equal(device.acceptsKey(previousKey), false);
});

Deno.test("send() sends the new key again when the agent comes back with the previous one", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, keys } = await connect(
    fixture,
    () => Promise.resolve(new Uint8Array()),
  );
  device.credential.rotate();
  device.rotation.send();
  await device.rotation.settled();
  const { key, previousKey } = device.findKeys() ?? {};
  assert.ok(key && previousKey);
  device.rotation.onLinkUp(previousKey);
  device.rotation.send();
  await device.rotation.settled();
  assert.deepEqual(keys, [key, key]);
});

Deno.test("send() keeps both keys and enqueues the device when it fails", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await connect(
    fixture,
    () => Promise.reject(new Error("disk full")),
  );
  device.credential.rotate();
  fixture.enqueued.length = 0;
  device.rotation.send();
  await device.rotation.settled();
  assert.equal(device.credential.isRotating, true);
  assert.deepEqual(fixture.enqueued, [fixture.ref.name]);
});

Deno.test("onLinkUp() drops the previous key for the new one only, and enqueues the device", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  device.credential.adopt(undefined);
  device.credential.rotate();
  const { key, previousKey } = device.findKeys() ?? {};
  assert.ok(key && previousKey);
  device.rotation.onLinkUp(previousKey);
  assert.equal(device.credential.isRotating, true);
  device.rotation.onLinkUp(key);
  assert.equal(device.credential.isRotating, false);
  assert.deepEqual(fixture.enqueued, [fixture.ref.name]);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { EdgeDevice, Secret } from "../../../lib/operator/kube/mod.ts";
import { Credential } from "../../../lib/operator/device/credential.ts";
import { toSecret } from "../../../lib/operator/device/objects.ts";

const EDGE: EdgeDevice = {
  metadata: { name: "edge-1", namespace: "home", uid: "u1" },
};

/** Returns the Secret as it would be written now. */
function toStoredSecret(credential: Credential): Secret {
  const values: Record<string, string> = {};
  for (const [key, value] of Object.entries(credential.toSecretValues())) {
    if (value !== null) values[key] = value;
  }
  return toSecret(EDGE, { name: "edge-1-agent", type: "Opaque", values });
}

Deno.test("adopt() makes a key without a Secret, and keeps it until there is one", () => {
  const credential = new Credential();
  credential.adopt(undefined);
  const key = credential.keys?.key;
  assert.equal(key?.length, 32);
  credential.adopt(undefined);
  assert.equal(credential.keys?.key, key);
});

Deno.test("adopt() reads the key that a former leader stored", () => {
  const former = new Credential();
  former.adopt(undefined);
  const credential = new Credential();
  credential.adopt(toStoredSecret(former));
  assert.deepEqual(credential.keys, former.keys);
});

Deno.test("accepts() is false for the key that a user replaced", () => {
  const other = new Credential();
  other.adopt(undefined);
  const credential = new Credential();
  credential.adopt(undefined);
  const { key = new Uint8Array() } = credential.keys ?? {};
  assert.equal(credential.accepts(key), true);
  credential.adopt(toStoredSecret(other));
  assert.equal(credential.accepts(key), false);
  assert.equal(credential.accepts(other.keys?.key ?? key), true);
});

Deno.test("accepts() is true for both keys during a rotation, and for none after revoke()", () => {
  const credential = new Credential();
  credential.adopt(undefined);
  credential.rotate();
  const { key = new Uint8Array(), previousKey = key } = credential.keys ?? {};
  assert.equal(credential.accepts(previousKey), true);
  assert.equal(credential.accepts(key), true);
  credential.revoke();
  assert.equal(credential.accepts(key), false);
});

Deno.test("adopt() replaces a value that is no credential", () => {
  const credential = new Credential();
  credential.adopt(toSecret(EDGE, {
    name: "x",
    type: "Opaque",
    values: { token: "c2hvcnQ=" },
  }));
  assert.equal(credential.keys?.key.length, 32);
});

Deno.test("rotate() accepts both keys until the device confirmed the new one", () => {
  const credential = new Credential();
  credential.adopt(undefined);
  const old = credential.keys?.key;
  credential.rotate();
  assert.deepEqual(credential.keys?.previousKey, old);
  assert.notDeepEqual(credential.keys?.key, old);
  const secret = toStoredSecret(credential);
  credential.adopt(secret);
  credential.confirm();
  assert.equal(credential.keys?.previousKey, undefined);
  // The informer may show the former Secret for a while.
  credential.adopt(secret);
  assert.equal(credential.isRotating, false);
  // The next rotation has a key of its own to confirm.
  credential.rotate();
  credential.adopt(toStoredSecret(credential));
  assert.equal(credential.isRotating, true);
});

Deno.test("revoke() drops all keys, and the next key is another one", () => {
  const credential = new Credential();
  credential.adopt(undefined);
  const old = credential.keys?.key;
  credential.revoke();
  assert.equal(credential.toSecretValues().token, null);
  credential.adopt(undefined);
  assert.notDeepEqual(credential.keys?.key, old);
});

Deno.test("undoRotation() restores the former key, unless the keys were changed since", () => {
  const credential = new Credential();
  credential.adopt(undefined);
  const before = credential.keys;
  credential.undoRotation(credential.rotate());
  assert.deepEqual(credential.keys, before);

  const confirmed = credential.rotate();
  credential.confirm();
  credential.undoRotation(confirmed);
  assert.deepEqual(credential.keys, { key: confirmed?.key });

  const revoked = credential.rotate();
  credential.revoke();
  credential.undoRotation(revoked);
  assert.equal(credential.keys, undefined);
});

Deno.test("rotate() returns nothing while a rotation is in progress, which can't be undone", () => {
  const credential = new Credential();
  credential.adopt(undefined);
  const rotated = credential.rotate();
  assert.equal(credential.rotate(), undefined);
  credential.undoRotation(undefined);
  assert.equal(credential.keys, rotated);
});

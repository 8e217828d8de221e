// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromHex, toHex, utf8 } from "../../../lib/shared/base/mod.ts";
import { openBytes, sealBytes } from "../../../lib/shared/noise/aead.ts";
import { NoiseHandshake } from "../../../lib/shared/noise/noise.ts";

/**
 * Public test vector "Noise_NNpsk0_25519_ChaChaPoly_SHA256" of haskell-cryptography/cacophony,
 * vectors/cacophony.txt @8ee9d41 (public domain).
 */
const VECTOR = {
  prologue: "4a6f686e2047616c74",
  psk: "54686973206973206d7920417573747269616e20706572737065637469766521",
  initiator: "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
  responder: "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
  hash: "f4d03dc34495c95729ea6de9e1b59004b59733102488b3e24bc441e0be208eaf",
  messages: [
    [
      "4c756477696720766f6e204d69736573",
      "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c794479b962b8aff8485742ac32f905ba45369e2465fb59e138a93d67a0d1266b6a54",
    ],
    [
      "4d757272617920526f746862617264",
      "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843d6062704d5a9c422a8e834423f8c1feada7e8d0d910a1a2cd030fb584221e3",
    ],
    [
      "462e20412e20486179656b",
      "e632c3763d7669067383433197a3baddf146e9e70ad4b4e9e59e0f",
    ],
    [
      "4361726c204d656e676572",
      "64c6bee32ea91c8474bb4c21d7a700109ad45af77b29764ba5eb1e",
    ],
    [
      "4a65616e2d426170746973746520536179",
      "e2fa0bed0603b62d3ccac2ecabbf3fe33f3e86514909b323361626266cb2471cc8",
    ],
    [
      "457567656e2042f6686d20766f6e2042617765726b",
      "0c01dc9cec1fe4ddd692e8dd32188aa351088dc91183639a53b57aa4692b5ebdef8b8ca111",
    ],
  ],
} as const;

function fromVector(role: "initiator" | "responder"): NoiseHandshake {
  return new NoiseHandshake({
    role,
    prologue: fromHex(VECTOR.prologue),
    psk: fromHex(VECTOR.psk),
    ephemeral: fromHex(VECTOR[role]),
  });
}

function pair(options: { prologue?: string; psk?: number } = {}) {
  const psk = new Uint8Array(32).fill(1);
  return {
    initiator: new NoiseHandshake({
      role: "initiator",
      prologue: utf8("a"),
      psk,
    }),
    responder: new NoiseHandshake({
      role: "responder",
      prologue: utf8(options.prologue ?? "a"),
      psk: new Uint8Array(32).fill(options.psk ?? 1),
    }),
  };
}

Deno.test("NoiseHandshake returns the messages, keys and hash of the public test vector", () => {
  const initiator = fromVector("initiator");
  const responder = fromVector("responder");
  const [first, second, ...rest] = VECTOR.messages;

  const message1 = initiator.writeMessage(fromHex(first[0]));
  assert.equal(toHex(message1), first[1]);
  assert.equal(toHex(responder.readMessage(message1)), first[0]);
  const message2 = responder.writeMessage(fromHex(second[0]));
  assert.equal(toHex(message2), second[1]);
  assert.equal(toHex(initiator.readMessage(message2)), second[0]);

  const ours = initiator.split();
  const theirs = responder.split();
  assert.equal(toHex(ours.handshakeHash), VECTOR.hash);
  assert.equal(toHex(theirs.handshakeHash), VECTOR.hash);
  // The sides send in turn, the initiator first; each direction has a counter of its own.
  for (const [index, [payload, ciphertext]] of rest.entries()) {
    const counter = Math.floor(index / 2);
    const [sender, receiver] = index % 2 === 0
      ? [ours, theirs]
      : [theirs, ours];
    const sealed = sealBytes(sender.sendKey, {
      counter,
      data: fromHex(payload),
    });
    assert.equal(toHex(sealed), ciphertext);
    const opened = openBytes(receiver.receiveKey, { counter, sealed });
    assert.equal(opened && toHex(opened), payload);
  }
});

Deno.test("NoiseHandshake uses a new ephemeral key each time", () => {
  const one = pair().initiator.writeMessage();
  const other = pair().initiator.writeMessage();
  assert.notDeepEqual(one, other);
});

Deno.test("NoiseHandshake.readMessage() rejects another pre-shared key", () => {
  const { initiator, responder } = pair({ psk: 2 });
  const message = initiator.writeMessage();
  assert.throws(() => responder.readMessage(message), { code: "unauthorized" });
});

Deno.test("NoiseHandshake.readMessage() rejects another prologue", () => {
  const { initiator, responder } = pair({ prologue: "b" });
  const message = initiator.writeMessage();
  assert.throws(() => responder.readMessage(message), { code: "unauthorized" });
});

Deno.test("NoiseHandshake.readMessage() rejects a message with any byte changed or missing", () => {
  const message = pair().initiator.writeMessage();
  for (let index = 0; index < message.length; index++) {
    const changed = message.slice();
    changed[index] = (changed[index] ?? 0) ^ 1;
    assert.throws(() => pair().responder.readMessage(changed), {
      code: "unauthorized",
    });
    const cut = message.slice(0, index);
    assert.throws(() => pair().responder.readMessage(cut), {
      code: "unauthorized",
    });
  }
});

Deno.test("NoiseHandshake.readMessage() rejects a public key of low order", () => {
  const { responder } = pair();
  const zero = new NoiseHandshake({
    role: "initiator",
    prologue: utf8("a"),
    psk: new Uint8Array(32).fill(1),
  });
  const reply = new Uint8Array(48);
  responder.readMessage(zero.writeMessage());
  assert.throws(() => zero.readMessage(reply), { code: "unauthorized" });
});

Deno.test("new NoiseHandshake() throws for a pre-shared key of another length", () => {
  assert.throws(
    () =>
      new NoiseHandshake({
        role: "initiator",
        prologue: utf8(""),
        psk: new Uint8Array(31),
      }),
    RangeError,
  );
});

Deno.test("NoiseHandshake.split() throws before the end of the handshake", () => {
  const { initiator } = pair();
  initiator.writeMessage();
  assert.throws(() => initiator.split(), TypeError);
});

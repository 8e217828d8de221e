// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { defined, fromHex, toHex, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  createLinkId,
  decodeAnswer,
  decodeInit,
  encodeInit,
  encodeRefusal,
  encodeReply,
  toPrologue,
} from "../../../lib/shared/noise/frames.ts";
import { RefusalReason } from "../../../lib/shared/wire/mod.ts";

const LINK_ID = 0x0a0b0c0d;

Deno.test("toPrologue() returns name, zero byte, version, link id and device", () => {
  assert.equal(
    toHex(
      toPrologue({ framingVersion: 258, linkId: LINK_ID, device: "édge" }),
    ),
    "6172616e796100" + "00000102" + "0a0b0c0d" + toHex(utf8("édge")),
  );
});

Deno.test("createLinkId() returns another number each time, never 0", () => {
  const ids = Array.from({ length: 1000 }, createLinkId);
  assert.equal(new Set(ids).size, 1000);
  assert.equal(ids.includes(0), false);
});

Deno.test("encodeInit(), encodeReply() and encodeRefusal() return the bytes of framing version 1", () => {
  const init = {
    linkId: LINK_ID,
    framingVersion: 1,
    device: "edge-1",
    noise: utf8("N"),
  };
  const golden = {
    init: "010a0b0c0d" + "0a06656467652d31" + "1001" + "1a014e",
    reply: "020a0b0c0d" + "0a014e",
    refusal: "030a0b0c0d" + "0802" + "12026e6f",
  };
  const { linkId, noise } = init;
  const refusal = { reason: RefusalReason.BAD_CREDENTIAL, message: "no" };
  assert.equal(toHex(encodeInit(init)), golden.init);
  assert.equal(toHex(encodeReply({ linkId, noise })), golden.reply);
  assert.equal(toHex(encodeRefusal({ linkId, ...refusal })), golden.refusal);
  const decoded = decodeInit(fromHex(golden.init));
  assert.equal(decoded.device, "edge-1");
  assert.equal(decoded.linkId, LINK_ID);
  assert.deepEqual(decodeAnswer(fromHex(golden.reply), LINK_ID), {
    kind: "reply",
    noise: Uint8Array.from(noise),
  });
  assert.deepEqual(decodeAnswer(fromHex(golden.refusal), LINK_ID), {
    kind: "refusal",
    refusal,
  });
  assert.deepEqual(decodeAnswer(fromHex("0500000000"), LINK_ID), {
    kind: "knock",
  });
});

Deno.test("decodeInit() ignores fields of a later version", () => {
  const init = decodeInit(
    fromHex("010a0b0c0d0a06656467652d311001" + "7a0568656c6c6f"),
  );
  assert.equal(init.device, "edge-1");
  assert.equal(init.framingVersion, 1);
});

Deno.test("decodeInit() and decodeAnswer() reject everything else", () => {
  const id = "0a0b0c0d";
  for (
    const hex of [
      "",
      "00",
      "01ff",
      `01${id}ff`,
      "01000000000a06656467652d31",
      `04${id}` + "00".repeat(30),
    ]
  ) {
    assert.throws(() => decodeInit(fromHex(hex)), { code: "invalid" }, hex);
  }
  for (
    const hex of [
      "",
      "01",
      "02ff",
      `01${id}`,
      `02${id}ff`,
      `03${id}ff`,
      `04${id}` + "00".repeat(30),
      "020a0b0c0e0a014e",
      "030a0b0c0e0802",
      "474554202f",
    ]
  ) {
    assert.throws(
      () => decodeAnswer(fromHex(hex), LINK_ID),
      { code: "invalid" },
      hex,
    );
  }
});

Deno.test("decodeAnswer() accepts a refusal without a link id: the first frame was not read", () => {
  const frame = encodeRefusal({ linkId: 0, reason: 6, message: "" });
  assert.equal(decodeAnswer(frame, LINK_ID).kind, "refusal");
});

Deno.test("decodeAnswer() replaces control characters in the text of a refusal", () => {
  const message = "a\u0000b\u001b[1mc\u007fd\u0085e\u009ff é€";
  const frame = encodeRefusal({ linkId: LINK_ID, reason: 2, message });
  assert.deepEqual(decodeAnswer(frame, LINK_ID), {
    kind: "refusal",
    refusal: { reason: 2, message: "a b [1mc d e f é€" },
  });
});

Deno.test("decodeAnswer() returns the endpoint of a refusal, and leaves out what is none", () => {
  const refusal = { reason: RefusalReason.NOT_LEADER, message: "m" };
  for (
    const [endpoint, expected] of [
      ["10.0.0.2:9443", "10.0.0.2:9443"],
      ["[fd00::2]:9443", "[fd00::2]:9443"],
      ["10.0.0.2", undefined],
      ["a b:1", undefined],
      ["", undefined],
    ] as const
  ) {
    const frame = encodeRefusal({ ...refusal, linkId: LINK_ID, endpoint });
    assert.deepEqual(decodeAnswer(frame, LINK_ID), {
      kind: "refusal",
      refusal: { ...refusal, ...defined({ endpoint: expected }) },
    });
  }
});

Deno.test("decodeInit() rejects a frame of more than 1029 bytes", () => {
  const frame = encodeInit({
    linkId: LINK_ID,
    device: "x".repeat(1100),
    framingVersion: 1,
    noise: utf8("N"),
  });
  assert.throws(() => decodeInit(frame), {
    code: "invalid",
    message: /it has \d+ bytes, expected at most 1029$/,
  });
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { defined, fromHex, toHex, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  decodeAnswer,
  decodeInit,
  encodeInit,
  encodeRefusal,
  encodeReply,
  toPrologue,
} from "../../../lib/shared/noise/frames.ts";

Deno.test("toPrologue() returns name, zero byte, version and device", () => {
  assert.equal(
    toHex(toPrologue({ device: "édge", protocolVersion: 258 })),
    "6172616e796100" + "00000102" + toHex(utf8("édge")),
  );
});

Deno.test("encodeInit(), encodeReply() and encodeRefusal() return the bytes of protocol version 1", () => {
  const init = { device: "edge-1", protocolVersion: 1, noise: utf8("N") };
  const golden = {
    init: "01" + "0a06656467652d31" + "1001" + "1a014e",
    reply: "02" + "0a014e",
    refusal: "03" + "0802" + "12026e6f",
  };
  assert.equal(toHex(encodeInit(init)), golden.init);
  assert.equal(toHex(encodeReply(utf8("N"))), golden.reply);
  assert.equal(
    toHex(encodeRefusal({ reason: 2, message: "no" })),
    golden.refusal,
  );
  assert.equal(decodeInit(fromHex(golden.init)).device, "edge-1");
  assert.deepEqual(decodeAnswer(fromHex(golden.refusal)), {
    refusal: { reason: 2, message: "no" },
  });
});

Deno.test("decodeInit() ignores fields of a later version", () => {
  const init = decodeInit(fromHex("010a06656467652d311001" + "7a0568656c6c6f"));
  assert.equal(init.device, "edge-1");
  assert.equal(init.protocolVersion, 1);
});

Deno.test("decodeInit() and decodeAnswer() reject everything else", () => {
  for (const hex of ["", "00", "01ff", "0a06", "04" + "00".repeat(30)]) {
    assert.throws(() => decodeInit(fromHex(hex)), { code: "invalid" });
  }
  for (const hex of ["", "01", "02ff", "03ff", "47455420"]) {
    assert.throws(() => decodeAnswer(fromHex(hex)), { code: "invalid" });
  }
});

Deno.test("decodeAnswer() replaces control characters in the text of a refusal", () => {
  const message = "a\u0000b\u001b[1mc\u007fd\u0085e\u009ff é€";
  assert.deepEqual(decodeAnswer(encodeRefusal({ reason: 2, message })), {
    refusal: { reason: 2, message: "a b [1mc d e f é€" },
  });
});

Deno.test("decodeAnswer() returns the endpoint of a refusal, and leaves out what is none", () => {
  const refusal = { reason: 5 as const, message: "m" };
  for (
    const [endpoint, expected] of [
      ["10.0.0.2:9443", "10.0.0.2:9443"],
      ["[fd00::2]:9443", "[fd00::2]:9443"],
      ["10.0.0.2", undefined],
      ["a b:1", undefined],
      ["", undefined],
    ] as const
  ) {
    const answer = decodeAnswer(encodeRefusal({ ...refusal, endpoint }));
    assert.deepEqual(answer, {
      refusal: { ...refusal, ...defined({ endpoint: expected }) },
    });
  }
});

Deno.test("decodeInit() rejects a frame of more than 1024 bytes", () => {
  const frame = encodeInit({
    device: "x".repeat(1100),
    protocolVersion: 1,
    noise: utf8("N"),
  });
  assert.throws(() => decodeInit(frame), {
    code: "invalid",
    message: /it has \d+ bytes, expected at most 1024$/,
  });
});

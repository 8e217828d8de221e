// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromHex } from "../../../lib/shared/base/mod.ts";
import {
  AcksSchema,
  ContainerSecuritySchema,
  create,
  encodeMessage,
  ExecSchema,
  file_aranya,
  PodStatusListSchema,
} from "../../../lib/shared/wire/mod.ts";
import {
  countElements,
  countFields,
} from "../../../lib/shared/wire/field_count.ts";
import { readGolden } from "./_support/golden.ts";

const MANY = 1_000_000;

Deno.test("countFields() accepts every message of version 1", async () => {
  const schemas = new Map(
    file_aranya.messages.map((schema) => [schema.name, schema]),
  );
  let totalCount = 0;
  for (const { message, hex } of Object.values(await readGolden())) {
    const schema = schemas.get(message);
    assert.ok(schema);
    const bytes = fromHex(hex);
    totalCount += countFields(schema, { bytes, maxCount: MANY });
    // Cut short, it ends in an error or between two fields.
    for (let length = 0; length < bytes.length; length++) {
      try {
        const part = bytes.subarray(0, length);
        countFields(schema, { bytes: part, maxCount: MANY });
      } catch (error) {
        assert.match(String(error), /Cannot decode \w+: truncated/);
      }
    }
  }
  assert.ok(totalCount > 500, `${totalCount} fields`);
});

Deno.test("countFields() stops above the limit", () => {
  const bytes = encodeMessage(PodStatusListSchema, {
    pods: Array.from({ length: 1000 }, () => ({ uid: "x" })),
  });
  assert.equal(
    countFields(PodStatusListSchema, { bytes, maxCount: MANY }),
    2000,
  );
  for (const maxCount of [0, 1, 2, 7, 1999]) {
    const count = countFields(PodStatusListSchema, { bytes, maxCount });
    assert.ok(count > maxCount && count <= maxCount + 2, `${count}`);
  }
});

Deno.test("countFields() rejects a known field of another wire type, which the decoder would take for its own", () => {
  // PodStatusList.pods as a varint: the decoder reads two PodStatus bytes behind it.
  const asVarint = fromHex("08" + "02" + "0a00");
  // Exec.stdin, a bool, as bytes.
  const asBytes = fromHex("1a" + "01" + "01");
  // ContainerSecurity.run_as_user, an int64, as 4 bytes.
  const asFixed = fromHex("0d" + "00000000");
  for (
    const [schema, bytes] of [
      [PodStatusListSchema, asVarint],
      [ExecSchema, asBytes],
      [ContainerSecuritySchema, asFixed],
    ] as const
  ) {
    assert.throws(() => countFields(schema, { bytes, maxCount: MANY }), {
      code: "invalid",
      message: /wire type \d of a known field$/,
    });
  }
});

Deno.test("countFields() accepts numbers of a list packed and one by one", () => {
  // PodSecurity has supplemental_groups; Acks has a list of messages with 64-bit numbers.
  const acks = encodeMessage(
    AcksSchema,
    create(AcksSchema, {
      points: [{ stream: 1, received: 2n ** 60n, credit: 1n }],
      linkBytes: 9n,
    }),
  );
  assert.equal(countFields(AcksSchema, { bytes: acks, maxCount: MANY }), 5);
  const schema = file_aranya.messages.find(({ name }) =>
    name === "PodSecurity"
  );
  assert.ok(schema);
  const oneByOne = fromHex("1001" + "1002");
  const packed = fromHex("1203" + "01ac02");
  assert.equal(countFields(schema, { bytes: oneByOne, maxCount: MANY }), 2);
  assert.equal(countFields(schema, { bytes: packed, maxCount: MANY }), 3);
});

Deno.test("countElements() counts the elements of a message, and not what is in them", () => {
  const bytes = encodeMessage(PodStatusListSchema, {
    pods: Array.from({ length: 100 }, () => ({ uid: "x", name: "y" })),
  });
  const count = (maxCount: number) =>
    countElements(PodStatusListSchema, { bytes, maxCount });
  assert.equal(count(1000), 100);
  assert.equal(count(10), 11);
  assert.throws(
    () =>
      countElements(PodStatusListSchema, {
        bytes: bytes.subarray(0, 5),
        maxCount: 10,
      }),
    { code: "invalid", message: /truncated/ },
  );
});

Deno.test("countFields() rejects a length beyond the end, whatever the limit", () => {
  const security = file_aranya.messages.find(({ name }) =>
    name === "PodSecurity"
  );
  assert.ok(security);
  // Packed numbers of 127 bytes, of which one is there.
  const packed = fromHex("127f" + "01");
  // A PodStatus of 2 bytes, whose first field has 5: all of them are in the list.
  const nested = fromHex("0a02" + "0a05" + "6161616161");
  for (const maxCount of [10, MANY]) {
    const truncated = { code: "invalid", message: /: truncated field$/ };
    assert.throws(
      () => countFields(security, { bytes: packed, maxCount }),
      truncated,
    );
    assert.throws(
      () => countFields(PodStatusListSchema, { bytes: nested, maxCount }),
      truncated,
    );
  }
});

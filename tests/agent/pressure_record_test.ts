// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../lib/shared/base/mod.ts";
import { createPressureRecord } from "../../lib/agent/pressure_record.ts";
import { TemporaryStore } from "./_support/temporary_store.ts";

Deno.test("createPressureRecord() loads what was saved last, nothing at first", async () => {
  await using state = await TemporaryStore.open();
  const record = createPressureRecord(state.store);
  assert.deepEqual(await record.load(), []);
  await record.save(["DiskPressure"]);
  const again = createPressureRecord(state.store);
  assert.deepEqual(await again.load(), ["DiskPressure"]);
});

for (const text of ["{", "null", `{"version":2,"types":[]}`]) {
  Deno.test(`createPressureRecord() refuses the record ${text}`, async () => {
    await using state = await TemporaryStore.open();
    const name = { kind: "setting", key: "pressure" } as const;
    await state.store.write(name, utf8(text));
    await assert.rejects(createPressureRecord(state.store).load(), {
      code: "invalid",
    });
  });
}

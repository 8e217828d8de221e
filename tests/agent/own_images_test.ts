// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../lib/shared/base/mod.ts";
import { createOwnImagesRecord } from "../../lib/agent/own_images.ts";
import { TemporaryStore } from "./_support/temporary_store.ts";

Deno.test("createOwnImagesRecord() loads what was saved last, nothing at first", async () => {
  await using state = await TemporaryStore.open();
  const record = createOwnImagesRecord(state.store);
  assert.deepEqual(await record.load(), []);
  await record.save(["sha256:1", "sha256:2"]);
  const again = createOwnImagesRecord(state.store);
  assert.deepEqual(await again.load(), ["sha256:1", "sha256:2"]);
});

for (const text of ["{", "null", `{"version":2,"ids":[]}`]) {
  Deno.test(`createOwnImagesRecord() refuses the record ${text}`, async () => {
    await using state = await TemporaryStore.open();
    const name = { kind: "setting", key: "images" } as const;
    await state.store.write(name, utf8(text));
    await assert.rejects(createOwnImagesRecord(state.store).load(), {
      code: "invalid",
    });
  });
}

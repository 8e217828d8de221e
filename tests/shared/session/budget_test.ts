// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Clock } from "../../../lib/shared/base/mod.ts";
import {
  LinkBudget,
  MIN_BUDGET_BYTES,
} from "../../../lib/shared/session/budget.ts";

/** Models a link, with a data source that always uses the whole budget. */
class LinkModel {
  nowMs = 0;
  readonly clock: Clock = {
    monotonicMs: () => this.nowMs,
    wallMs: () => this.nowMs,
    sleep: () => Promise.resolve(),
  };
  readonly budget = new LinkBudget(this.clock);
  #queue: { bytes: number; ackMs: number }[] = [];
  #busyMs = 0;
  #sent = 0;
  #acked = 0;
  carried = 0;

  run(
    { forMs, bytesPerMs, roundTripMs, limitBytes = Infinity }: {
      forMs: number;
      bytesPerMs: number;
      roundTripMs: number;
      /** Upper bound of what the source sends ahead of acknowledgements. */
      limitBytes?: number;
    },
  ): void {
    const endMs = this.nowMs + forMs;
    while (this.nowMs < endMs) {
      const { budget } = this;
      while (budget.inFlightBytes < Math.min(budget.budgetBytes, limitBytes)) {
        const bytes = budget.packetBytes;
        budget.onPacketSent(bytes);
        this.#sent += bytes;
        this.#busyMs = Math.max(this.#busyMs, this.nowMs) + bytes / bytesPerMs;
        const ackMs = this.#busyMs + roundTripMs;
        this.#queue.push({ bytes: this.#sent, ackMs });
      }
      const next = this.#queue.shift();
      if (!next) return;
      this.nowMs = Math.max(this.nowMs, next.ackMs);
      this.carried += next.bytes - this.#acked;
      this.#acked = next.bytes;
      budget.onAcknowledged(next.bytes);
    }
  }
}

Deno.test("budgetBytes stays below one second on 64 kbit/s, and packetBytes below 100 ms", () => {
  const model = new LinkModel();
  model.run({ forMs: 60_000, bytesPerMs: 8, roundTripMs: 100 });
  assert.ok(model.budget.budgetBytes < 8_000, `${model.budget.budgetBytes}`);
  assert.ok(model.budget.packetBytes <= 820);
  assert.ok(model.carried > 0.97 * 60_000 * 8);
});

Deno.test("budgetBytes fills a fast link with a long round trip within seconds", () => {
  const model = new LinkModel();
  model.run({ forMs: 3_000, bytesPerMs: 10_000, roundTripMs: 300 });
  const before = model.carried;
  model.run({ forMs: 10_000, bytesPerMs: 10_000, roundTripMs: 300 });
  assert.ok(model.carried - before > 0.9 * 10_000 * 10_000);
});

Deno.test("budgetBytes follows when the link becomes slower, or its round trip longer", () => {
  const model = new LinkModel();
  model.run({ forMs: 10_000, bytesPerMs: 1_000, roundTripMs: 40 });
  model.run({ forMs: 120_000, bytesPerMs: 20, roundTripMs: 40 });
  assert.ok(model.budget.budgetBytes < 20_000, `${model.budget.budgetBytes}`);
  model.run({ forMs: 60_000, bytesPerMs: 1_000, roundTripMs: 1_500 });
  const before = model.carried;
  model.run({ forMs: 60_000, bytesPerMs: 1_000, roundTripMs: 1_500 });
  const share = (model.carried - before) / 60_000_000;
  assert.ok(share > 0.6, `${share} of the capacity was used`);
});

Deno.test("budgetBytes stays when the source sends less than the link could carry", () => {
  const model = new LinkModel();
  const link = { bytesPerMs: 1_000, roundTripMs: 20 };
  model.run({ ...link, forMs: 5_000 });
  const before = model.budget.budgetBytes;
  model.run({ ...link, forMs: 20_000, limitBytes: 2_000 });
  assert.ok(model.budget.budgetBytes >= before * 0.9);
});

Deno.test("onAcknowledged() ignores bytes that were not sent, or were acknowledged before", () => {
  const nothing = { byteCount: 0, packetCount: 0 };
  const model = new LinkModel();
  model.budget.onPacketSent(1_000);
  assert.deepEqual(model.budget.onAcknowledged(5_000), nothing);
  assert.equal(model.budget.inFlightBytes, 1_000);
  model.nowMs = 10;
  assert.deepEqual(model.budget.onAcknowledged(400), {
    byteCount: 400,
    packetCount: 0,
  });
  assert.deepEqual(model.budget.onAcknowledged(1_000), {
    byteCount: 600,
    packetCount: 1,
  });
  assert.deepEqual(model.budget.onAcknowledged(500), nothing);
  assert.equal(model.budget.inFlightBytes, 0);
  assert.ok(model.budget.budgetBytes >= MIN_BUDGET_BYTES);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { OperatorProgress } from "../../lib/operator/progress.ts";
import { PrometheusMeter } from "../../lib/operator/prometheus_meter.ts";

Deno.test("OperatorProgress is ready while standing by or leading", () => {
  const progress = new OperatorProgress(new PrometheusMeter());
  assert.equal(progress.notReadyReason, "operator is starting");
  progress.phase = "standing by";
  assert.equal(progress.notReadyReason, undefined);
  progress.phase = "taking over";
  assert.equal(progress.notReadyReason, "operator is taking over");
  progress.phase = "leading";
  assert.equal(progress.notReadyReason, undefined);
});

Deno.test("OperatorProgress shows that leadership is suspended", async () => {
  const meter = new PrometheusMeter();
  const progress = new OperatorProgress(meter);
  progress.phase = "leading";
  const leadership = { isSuspended: false };
  progress.leadership = leadership;
  progress.updateGauges();
  assert.match(await meter.render(), /^aranya_leading 1$/m);
  leadership.isSuspended = true;
  assert.match(progress.notReadyReason ?? "", /suspended/);
  progress.updateGauges();
  const text = await meter.render();
  assert.match(text, /^aranya_leading 0$/m);
  assert.match(text, /^aranya_suspended 1$/m);
});

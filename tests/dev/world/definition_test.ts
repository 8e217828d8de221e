// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Kubectl } from "../../../dev/world/mod.ts";
import { untilEdgeDevicesServed } from "../../../dev/world/definition.ts";

Deno.test("untilEdgeDevicesServed() waits while the definition has no conditions", async () => {
  const answers: unknown[] = [
    undefined,
    {},
    { status: {} },
    { status: { conditions: null } },
    { status: { conditions: [{ type: "NamesAccepted", status: "True" }] } },
    { status: { conditions: [{ type: "Established", status: "False" }] } },
    { status: { conditions: [{ type: "Established", status: "True" }] } },
  ];
  const find = () => Promise.resolve(answers.shift());
  await untilEdgeDevicesServed({ find } as Pick<Kubectl, "find">);
  assert.deepEqual(answers, []);
});

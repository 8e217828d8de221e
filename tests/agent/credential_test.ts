// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  encodeMessage,
  Method,
  RotateCredentialSchema,
} from "../../lib/shared/wire/mod.ts";
import { replaceCredential } from "../../lib/agent/credential.ts";
import { OperatorEnd } from "./_support/operator_end.ts";
import { KEY, RunningAgent } from "./_support/running_agent.ts";

const NEW_KEY = new Uint8Array(32).fill(6);
const NEW_TEXT = btoa(String.fromCharCode(...NEW_KEY));

for (
  const [before, after] of [
    ["credential: YWJj\n", `credential: ${NEW_TEXT}\n`],
    [
      'a: 1\ncredential:   "YW=" # why\nb: 2\n',
      `a: 1\ncredential:   ${NEW_TEXT} # why\nb: 2\n`,
    ],
    ["credential : 'YW'\n", `credential : ${NEW_TEXT}\n`],
  ] as const
) {
  Deno.test(`replaceCredential() keeps all else of ${JSON.stringify(before)}`, () => {
    assert.equal(replaceCredential(before, NEW_KEY), after);
  });
}

for (
  const text of [
    "device: x\n",
    "credential: |\n  YWJj\n",
    "host:\n  credential: YWJj\n",
  ]
) {
  Deno.test(`replaceCredential() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => replaceCredential(text, NEW_KEY), /expected 1/);
  });
}

const rotate = (operator: OperatorEnd, key: Uint8Array) =>
  operator.request(
    Method.ROTATE_CREDENTIAL,
    encodeMessage(RotateCredentialSchema, { key }),
  );

Deno.test("rotate() writes the new credential before it answers, and the next link uses it", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using agent = new RunningAgent(operator.endpoint);
  await operator.connected();
  await rotate(operator, NEW_KEY);
  assert.equal(
    await Deno.readTextFile(agent.configFile),
    `# mine\ndevice: edge-1\ncredential: ${NEW_TEXT} # secret\n`,
  );
  operator.keys = { key: NEW_KEY };
  operator.cut();
  await operator.until("again", () => operator.greetings.length === 2);
});

Deno.test("rotate() keeps the old credential for an operator that did not keep the new one", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using _agent = new RunningAgent(operator.endpoint);
  await operator.connected();
  await rotate(operator, NEW_KEY);
  operator.cut();
  await operator.until("again", () => operator.greetings.length === 2);
});

Deno.test("rotate() refuses a key of another length, and a file that can't be changed", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using agent = new RunningAgent(operator.endpoint);
  await operator.connected();
  await assert.rejects(
    rotate(operator, new Uint8Array(3)),
    /has 3 bytes, expected 32/,
  );
  await Deno.remove(agent.configFile);
  await assert.rejects(
    rotate(operator, NEW_KEY),
    /Cannot rotate credential: cannot read/,
  );
  operator.cut();
  await operator.until("again", () => operator.greetings.length === 2);
});

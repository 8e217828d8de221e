// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ConfigFile } from "../../lib/agent/config_file.ts";
import { CredentialStore } from "../../lib/agent/credential_store.ts";
import { SILENT_LOGGER } from "../../lib/shared/base/mod.ts";
import {
  encodeMessage,
  Method,
  RotateCredentialSchema,
} from "../../lib/shared/wire/mod.ts";
import { AgentFixture, KEY } from "./_support/agent_fixture.ts";
import { TemporaryStore } from "./_support/temporary_store.ts";
import { TestOperator } from "./_support/test_operator.ts";
import { until } from "../../dev/base/wait.ts";

const NEW_KEY = new Uint8Array(32).fill(6);
const NEW_TEXT = btoa(String.fromCharCode(...NEW_KEY));

const rotate = (operator: TestOperator, key: Uint8Array) =>
  operator.request(
    Method.ROTATE_CREDENTIAL,
    encodeMessage(RotateCredentialSchema, { key }),
  );

Deno.test("CredentialStore.rotate() writes the new credential before it responds, and the next link uses it", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await rotate(operator, NEW_KEY);
  assert.equal(
    await Deno.readTextFile(agent.configFile),
    `# mine\ndevice: edge-1\ncredential: ${NEW_TEXT} # secret\n`,
  );
  operator.keys = { key: NEW_KEY };
  operator.cutLink();
  await until(() => operator.greetings.length === 2, "the next link");
});

Deno.test("CredentialStore.rotate() has the agent connect with the new credential, and then drops the previous one", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  operator.keys = { key: NEW_KEY, previousKey: KEY };
  await rotate(operator, NEW_KEY);
  await until(() => operator.greetings.length === 2, "the next link");
  // The previous credential is refused from now on, and no longer tried.
  operator.keys = { key: KEY };
  operator.cutLink();
  await until(
    () => agent.log.lines.some((line) => /wrong credential/.test(line)),
    "a refusal",
  );
  assert.equal(operator.greetings.length, 2);
});

Deno.test("CredentialStore.rotate() leaves everything as it is for the credential that it has", async () => {
  await using state = await TemporaryStore.open();
  const configFile = new ConfigFile(`${state.dir}/absent.yaml`);
  const store = await CredentialStore.open({
    key: KEY,
    configFile,
    store: state.store,
    log: SILENT_LOGGER,
  });
  await store.rotate(encodeMessage(RotateCredentialSchema, { key: KEY }));
  assert.equal(store.previousKey, undefined);
});

Deno.test("CredentialStore.rotate() keeps the old credential for an operator that did not store the new one", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using _agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await rotate(operator, NEW_KEY);
  operator.cutLink();
  await until(() => operator.greetings.length === 2, "the next link");
});

Deno.test("CredentialStore.rotate() fails for a key of another length, and when the file can't be read", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await assert.rejects(
    rotate(operator, new Uint8Array(3)),
    /has 3 bytes, expected 32/,
  );
  await Deno.remove(agent.configFile);
  await assert.rejects(
    rotate(operator, NEW_KEY),
    /Cannot rotate credential: cannot read/,
  );
  operator.cutLink();
  await until(() => operator.greetings.length === 2, "the next link");
});

Deno.test("CredentialStore.rotate() leaves the credentials as they were when agent.yaml can't be written", async () => {
  await using state = await TemporaryStore.open();
  const options = {
    key: KEY,
    configFile: new ConfigFile(`${state.dir}/absent.yaml`),
    store: state.store,
    log: SILENT_LOGGER,
  };
  const store = await CredentialStore.open(options);
  const payload = encodeMessage(RotateCredentialSchema, { key: NEW_KEY });
  await assert.rejects(store.rotate(payload), /cannot read/);
  assert.deepEqual([store.key, store.previousKey], [KEY, undefined]);
  const restarted = await CredentialStore.open(options);
  assert.deepEqual([restarted.key, restarted.previousKey], [KEY, undefined]);
});

Deno.test("CredentialStore keeps the previous credential across a restart until the new one was accepted", async () => {
  await using state = await TemporaryStore.open();
  const path = `${state.dir}/agent.yaml`;
  await Deno.writeTextFile(path, "credential: YWJj\n");
  const configFile = new ConfigFile(path);
  const options = { configFile, store: state.store, log: SILENT_LOGGER };
  const first = await CredentialStore.open({ ...options, key: KEY });
  assert.equal(first.previousKey, undefined);
  await first.rotate(
    encodeMessage(RotateCredentialSchema, { key: NEW_KEY }),
  );
  assert.deepEqual(first.key, NEW_KEY);
  assert.deepEqual(first.previousKey, KEY);
  const second = await CredentialStore.open({ ...options, key: NEW_KEY });
  assert.deepEqual(second.previousKey, KEY);
  await second.onKeyAccepted(KEY);
  assert.deepEqual(second.previousKey, KEY);
  await second.onKeyAccepted(NEW_KEY);
  assert.equal(second.previousKey, undefined);
  const third = await CredentialStore.open({ ...options, key: NEW_KEY });
  assert.equal(third.previousKey, undefined);
});

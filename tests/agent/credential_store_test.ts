// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ConfigFile } from "../../lib/agent/config_file.ts";
import { CredentialStore } from "../../lib/agent/credential_store.ts";
import {
  type Clock,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../lib/shared/base/mod.ts";
import {
  encodeMessage,
  Method,
  RotateCredentialSchema,
} from "../../lib/shared/wire/mod.ts";
import { AgentFixture, KEY } from "./_support/agent_fixture.ts";
import { TemporaryStore } from "./_support/temporary_store.ts";
import { TestOperator } from "./_support/test_operator.ts";
import { VirtualClock } from "../shared/session/_support/virtual_clock.ts";
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
  await until(() => operator.facts.length === 1, "facts");
  operator.keys = { key: NEW_KEY, previousKey: KEY };
  await rotate(operator, NEW_KEY);
  // The agent sends them when it has received the greeting and dropped the credential.
  await until(() => operator.facts.length === 2, "facts over the next link");
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

const THIRD_KEY = new Uint8Array(32).fill(7);
const HOUR_MS = 3_600_000;

/** A store whose link was made with `KEY`, and what it was asked to do. */
async function openStore(clock: Clock = SYSTEM_CLOCK) {
  const state = await TemporaryStore.open();
  const stop = new AbortController();
  const path = `${state.dir}/agent.yaml`;
  await Deno.writeTextFile(path, "credential: YWJj\n");
  let reconnectCount = 0;
  const options = {
    configFile: new ConfigFile(path),
    store: state.store,
    log: SILENT_LOGGER,
    reconnect: () => void reconnectCount++,
    clock,
    signal: stop.signal,
  };
  const credentials = await CredentialStore.open({ ...options, key: KEY });
  await credentials.onKeyAccepted(credentials.key);
  return {
    credentials,
    rotate: (key: Uint8Array) =>
      credentials.rotate(encodeMessage(RotateCredentialSchema, { key })),
    /** Opens the store as the next process does. */
    reopen: () => CredentialStore.open({ ...options, key: credentials.key }),
    reconnectCount: () => reconnectCount,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await state[Symbol.asyncDispose]();
    },
  };
}

Deno.test("CredentialStore.rotate() is refused over a link that was made with the previous credential", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await rotate(operator, NEW_KEY);
  // The agent connects anew, with the previous one because the new one is refused.
  await until(() => operator.greetings.length === 2, "the next link");
  await operator.waitForLink();
  await assert.rejects(rotate(operator, THIRD_KEY), {
    code: "unauthorized",
    message:
      "Cannot rotate credential: the link was made with the previous one, expected the present one",
  });
  assert.match(await Deno.readTextFile(agent.configFile), RegExp(NEW_TEXT));
  // Who knows the new one has the device.
  operator.keys = { key: NEW_KEY };
  operator.cutLink();
  await until(() => operator.greetings.length === 3, "a link with the new one");
  await operator.waitForLink();
  await rotate(operator, THIRD_KEY);
});

Deno.test("CredentialStore.rotate() takes one of two credentials that come at once, and keeps the previous one", async () => {
  await using fixture = await openStore();
  const { credentials } = fixture;
  const results = await Promise.allSettled([
    fixture.rotate(NEW_KEY),
    fixture.rotate(THIRD_KEY),
  ]);
  assert.deepEqual(results.map(({ status }) => status), [
    "fulfilled",
    "rejected",
  ]);
  assert.deepEqual(credentials.key, NEW_KEY);
  assert.deepEqual(credentials.previousKey, KEY);
  assert.deepEqual((await fixture.reopen()).previousKey, KEY);
});

Deno.test("CredentialStore.previousKey is undefined an hour after the rotation, and after the next start", async () => {
  const clock = new VirtualClock();
  await using fixture = await openStore(clock);
  await fixture.rotate(NEW_KEY);
  const { credentials } = fixture;
  await clock.pass(HOUR_MS - 1);
  assert.deepEqual(credentials.previousKey, KEY);
  const next = await fixture.reopen();
  await clock.pass(1);
  assert.equal(credentials.previousKey, undefined);
  assert.deepEqual(next.previousKey, KEY);
  await clock.pass(HOUR_MS);
  assert.equal(next.previousKey, undefined);
});

Deno.test("CredentialStore ends a link with the previous credential an hour after the rotation, and drops that", async () => {
  const clock = new VirtualClock();
  await using fixture = await openStore(clock);
  await fixture.rotate(NEW_KEY);
  const { credentials, reconnectCount } = fixture;
  await clock.pass(HOUR_MS / 2);
  assert.equal(reconnectCount(), 1);
  const { previousKey } = credentials;
  assert.ok(previousKey);
  await credentials.onKeyAccepted(previousKey);
  await credentials.onKeyAccepted(previousKey);
  await clock.pass(HOUR_MS / 2 - 1);
  assert.equal(reconnectCount(), 1);
  await clock.pass(1);
  await until(() => reconnectCount() === 2, "the end of the link");
  await until(
    async () => (await fixture.reopen()).previousKey === undefined,
    "no record on the disk",
  );
  assert.equal(reconnectCount(), 2);
});

Deno.test("CredentialStore does not end a link with the present credential", async () => {
  const clock = new VirtualClock();
  await using fixture = await openStore(clock);
  await fixture.rotate(NEW_KEY);
  const { credentials, reconnectCount } = fixture;
  const { previousKey } = credentials;
  assert.ok(previousKey);
  await credentials.onKeyAccepted(previousKey);
  await credentials.onKeyAccepted(credentials.key);
  await clock.pass(HOUR_MS);
  assert.equal(reconnectCount(), 1);
  assert.equal(clock.sleeperCount, 0);
});

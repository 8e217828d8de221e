// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { StateStore } from "../../lib/agent/state/mod.ts";
import { ConfigFile } from "../../lib/agent/config_file.ts";
import { OperatorConnector } from "../../lib/agent/connector.ts";
import { CredentialStore } from "../../lib/agent/credential_store.ts";
import {
  AranyaError,
  defined,
  SILENT_LOGGER,
} from "../../lib/shared/base/mod.ts";
import {
  createGrpcDialer,
  type LinkDialer,
} from "../../lib/shared/link/mod.ts";
import { createSession } from "../../lib/shared/session/mod.ts";
import { KEY } from "./_support/agent_fixture.ts";
import { TemporaryStore } from "./_support/temporary_store.ts";
import { TestOperator } from "./_support/test_operator.ts";
import { until } from "../../dev/base/wait.ts";

const options = { signal: new AbortController().signal, onKnock() {} };
const PREVIOUS_KEY = new Uint8Array(32).fill(3);
const log = SILENT_LOGGER;

async function createFixture(
  operator: TestOperator,
  { store, ...given }: {
    store: StateStore;
    previousKey?: Uint8Array;
    dialer?: LinkDialer;
    /** Ends the wait for the end of a link with the previous credential. */
    signal?: AbortSignal;
  },
) {
  const { previousKey, signal } = given;
  if (previousKey) {
    const name = { kind: "setting", key: "previous-credential" } as const;
    await store.write(name, previousKey);
  }
  const credentials = await CredentialStore.open({
    key: KEY,
    configFile: new ConfigFile("/absent/agent.yaml"),
    store,
    log,
    ...defined({ signal }),
  });
  const connector = new OperatorConnector({
    device: "edge-1",
    agentVersion: "1.2.3",
    machine: { machineId: "m1", bootId: "b1" },
    dialer: given.dialer ?? createGrpcDialer({
      endpoint: operator.endpoint,
      insecure: true,
      log,
    }),
    credentials,
    session: createSession({
      side: "agent",
      log,
      handlers: {
        request: () => Promise.reject(new Error("unexpected request")),
        stream: () => Promise.reject(new Error("unexpected stream")),
      },
    }),
  });
  return { connector, credentials };
}

Deno.test("OperatorConnector announces the agent and completes a rotation", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using state = await TemporaryStore.open();
  const { connector, credentials } = await createFixture(operator, {
    store: state.store,
    previousKey: PREVIOUS_KEY,
  });
  const opened = await connector.open(operator.endpoint, options);
  const { link } = await connector.greet(opened, options.signal);
  // The agent may receive the Welcome before the operator's own record of it.
  const greeting = await until(() => operator.greetings[0], "a greeting");
  assert.equal(greeting.hello.agentVersion, "1.2.3");
  assert.equal(greeting.hello.machineId, "m1");
  assert.equal(greeting.hello.bootId, "b1");
  assert.equal(credentials.previousKey, undefined);
  link.close("test");
});

Deno.test("OperatorConnector uses the previous credential when the operator refuses the current one", async () => {
  await using operator = await TestOperator.start({ key: PREVIOUS_KEY });
  await using state = await TemporaryStore.open();
  const stop = new AbortController();
  const { connector, credentials } = await createFixture(operator, {
    store: state.store,
    previousKey: PREVIOUS_KEY,
    signal: stop.signal,
  });
  const opened = await connector.open(operator.endpoint, options);
  const { link } = await connector.greet(opened, options.signal);
  assert.deepEqual(credentials.previousKey, PREVIOUS_KEY);
  link.close("test");
  stop.abort();
});

Deno.test("OperatorConnector connects although the state can't be written", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using state = await TemporaryStore.open();
  const { store } = state;
  const { connector, credentials } = await createFixture(operator, {
    store: new Proxy(store, {
      get(target, name) {
        if (name === "remove") {
          return () => Promise.reject(new Error("read-only file system"));
        }
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
    previousKey: PREVIOUS_KEY,
  });
  const opened = await connector.open(operator.endpoint, options);
  const { link } = await connector.greet(opened, options.signal);
  assert.equal(credentials.previousKey, undefined);
  link.close("test");
});

Deno.test("OperatorConnector fails without a previous credential", async () => {
  await using operator = await TestOperator.start({ key: PREVIOUS_KEY });
  await using state = await TemporaryStore.open();
  const { store } = state;
  const { connector } = await createFixture(operator, { store });
  await assert.rejects(connector.open(operator.endpoint, options), {
    code: "unauthorized",
  });
});

Deno.test("OperatorConnector doesn't use the previous credential unless the current one was refused", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using state = await TemporaryStore.open();
  let dialCount = 0;
  const { connector } = await createFixture(operator, {
    store: state.store,
    previousKey: PREVIOUS_KEY,
    dialer: {
      dial() {
        dialCount++;
        const message = "Cannot connect: the network is down";
        return Promise.reject(new AranyaError("unavailable", message));
      },
    },
  });
  await assert.rejects(connector.open(operator.endpoint, options), {
    code: "unavailable",
  });
  assert.equal(dialCount, 1);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  createSeal,
  loadStateKey,
  openStore,
} from "../../../lib/agent/state/mod.ts";

const NEVER = new AbortController().signal;

async function withDir(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const load = (dir: string): Promise<Uint8Array> =>
  loadStateKey(`${dir}/key`, { stateDir: `${dir}/state`, signal: NEVER });

Deno.test("loadStateKey() creates the file once, readable by its owner only", () =>
  withDir(async (dir) => {
    const key = await load(dir);
    assert.equal(key.length, 32);
    assert.equal((await Deno.stat(`${dir}/key`)).mode, 0o100600);
    assert.deepEqual(await load(dir), key);
  }));

Deno.test("loadStateKey() throws when the file can't be used", () =>
  withDir(async (dir) => {
    await Deno.writeFile(`${dir}/key`, utf8("short"));
    await assert.rejects(
      load(dir),
      /Cannot use state key file ".*key": it has 5 bytes, expected 32/,
    );
    await assert.rejects(
      loadStateKey(`${dir}/key/key`, { stateDir: dir, signal: NEVER }),
      /Cannot use state key file/,
    );
  }));

Deno.test("loadStateKey() waits for the key of existing records, and returns it when it is back", () =>
  withDir(async (dir) => {
    const key = await load(dir);
    const store = await openStore({
      dir: `${dir}/state`,
      seal: createSeal(key),
      log: SILENT_LOGGER,
    });
    await store.write({ kind: "pod", key: "uid-1" }, utf8("spec"));
    await Deno.rename(`${dir}/key`, `${dir}/elsewhere`);
    const waits: string[] = [];
    const found = await loadStateKey(`${dir}/key`, {
      stateDir: `${dir}/state`,
      signal: NEVER,
      onWait: (reason) => {
        waits.push(reason.message);
        Deno.renameSync(`${dir}/elsewhere`, `${dir}/key`);
      },
    });
    assert.deepEqual(found, key);
    assert.deepEqual(waits, [
      `Cannot use state key file "${dir}/key": it does not exist, ` +
      `expected the key of the records in "${dir}/state"`,
    ]);
  }));

Deno.test("loadStateKey() gives up when the signal is aborted, and creates no key", () =>
  withDir(async (dir) => {
    await Deno.mkdir(`${dir}/state/pods`, { recursive: true });
    await Deno.writeFile(`${dir}/state/pods/uid-1`, utf8("sealed"));
    const controller = new AbortController();
    await assert.rejects(
      loadStateKey(`${dir}/key`, {
        stateDir: `${dir}/state`,
        signal: controller.signal,
        onWait: () => controller.abort(new Error("stopping")),
      }),
      /stopping/,
    );
    await assert.rejects(Deno.stat(`${dir}/key`), Deno.errors.NotFound);
  }));

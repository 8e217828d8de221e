// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import {
  fromDiskError,
  replaceFile,
  syncDir,
} from "../../../lib/agent/state/disk.ts";
import {
  createSeal,
  loadStateKey,
  openStore,
} from "../../../lib/agent/state/mod.ts";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { absentPath } from "../../_support/absent_path.ts";

Deno.test("replaceFile() keeps the old content and leaves nothing aside when the disk is full", async () => {
  const dir = await Deno.makeTempDir();
  const mount = (...args: string[]) =>
    new Deno.Command(args[0] ?? "", { args: args.slice(1) }).output();
  const { success } = await mount(
    "mount",
    "-t",
    "tmpfs",
    "-o",
    "size=16k",
    "tmpfs",
    dir,
  );
  assert.ok(success, "this test mounts a small tmpfs and needs root");
  try {
    const store = await openStore({
      dir,
      seal: createSeal(new Uint8Array(32)),
      log: SILENT_LOGGER,
    });
    await store.write({ kind: "pod", key: "a" }, utf8("small"));
    await assert.rejects(
      store.write({ kind: "pod", key: "a" }, new Uint8Array(65_536)),
      /Cannot write pod "a" to state: no space left on the device/,
    );
    assert.deepEqual(
      await store.read({ kind: "pod", key: "a" }),
      utf8("small"),
    );
    const left = await Array.fromAsync(Deno.readDir(`${dir}/pods`));
    assert.deepEqual(left.map((entry) => entry.name), ["a"]);
  } finally {
    await mount("umount", dir);
    await Deno.remove(dir, { recursive: true });
  }
});

/** Records flushes and renames, in their order, until it is disposed. */
class DiskOrder implements Disposable {
  readonly calls: string[] = [];
  readonly #sync = Deno.FsFile.prototype.sync;
  readonly #rename = Deno.rename;

  constructor() {
    const { calls } = this;
    const sync = this.#sync;
    const rename = this.#rename;
    Deno.FsFile.prototype.sync = async function () {
      const { isDirectory } = await this.stat();
      await sync.call(this);
      calls.push(isDirectory ? "sync directory" : "sync file");
    };
    Deno.rename = async (from, to) => {
      await rename(from, to);
      calls.push("rename");
    };
  }

  [Symbol.dispose](): void {
    Deno.FsFile.prototype.sync = this.#sync;
    Deno.rename = this.#rename;
  }
}

Deno.test("replaceFile() flushes the content before the rename, and a store the directory after it", async () => {
  const dir = await Deno.makeTempDir();
  const store = await openStore({
    dir,
    seal: createSeal(new Uint8Array(32)),
    log: SILENT_LOGGER,
  });
  using order = new DiskOrder();
  await store.write({ kind: "pod", key: "a" }, utf8("x"));
  assert.deepEqual(order.calls, ["sync file", "rename", "sync directory"]);
  await store.remove({ kind: "pod", key: "a" });
  assert.deepEqual(order.calls.slice(3), ["sync directory"]);
  await loadStateKey(`${dir}/key`, {
    stateDir: dir,
    signal: new AbortController().signal,
  });
  assert.deepEqual(order.calls.slice(4), [
    "sync file",
    "rename",
    "sync directory",
  ]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("replaceFile() sets the mode of the file", async () => {
  const path = await Deno.makeTempFile();
  await replaceFile({ path, content: utf8("x") }, { mode: 0o640 });
  assert.equal((await Deno.stat(path)).mode, 0o100640);
  await Deno.remove(path);
});

Deno.test("syncDir() throws when the directory does not exist", async () => {
  await assert.rejects(syncDir(absentPath()), Deno.errors.NotFound);
});

Deno.test("fromDiskError() describes what is wrong", () => {
  const text = (message: string) =>
    fromDiskError(new Error(message), "Cannot write x").message;
  assert.equal(
    text("No space left on device (os error 28)"),
    "Cannot write x: no space left on the device",
  );
  assert.equal(
    text("Read-only file system (os error 30): open '/x'"),
    "Cannot write x: the file system is read-only",
  );
  assert.equal(
    fromDiskError(new Deno.errors.PermissionDenied("x"), "Cannot write x")
      .message,
    "Cannot write x: permission denied",
  );
  assert.equal(text("Odd (os error 5): open '/x'"), "Cannot write x: Odd");
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type AranyaError,
  sha256Hex,
  SILENT_LOGGER,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import {
  createSeal,
  openStore,
  type StateStore,
} from "../../../lib/agent/state/mod.ts";

const KEY = new Uint8Array(32).fill(7);
const POD = { kind: "pod", key: "uid-1" } as const;

async function withDir(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Like `withDir`, on a file system of 1 MiB. */
const withSmallDisk = (work: (dir: string) => Promise<void>): Promise<void> =>
  withDir(async (dir) => {
    await run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir);
    try {
      await work(dir);
    } finally {
      await run("umount", dir);
    }
  });

async function run(command: string, ...args: string[]): Promise<void> {
  const { success } = await new Deno.Command(command, { args }).output();
  assert.ok(success, `${command} failed; this test needs root`);
}

/** Leaves no space on the disk that the directory is on. */
async function fillDisk(dir: string): Promise<void> {
  using file = await Deno.open(`${dir}/filler`, { create: true, write: true });
  const page = new Uint8Array(4_096);
  await assert.rejects(async () => {
    for (;;) await file.write(page);
  });
}

const open = (dir: string, key = KEY): Promise<StateStore> =>
  openStore({ dir, seal: createSeal(key), log: SILENT_LOGGER });

async function inodeOf(path: string): Promise<number | null> {
  return (await Deno.stat(path)).ino;
}

Deno.test("read() returns what was written before a restart", () =>
  withDir(async (dir) => {
    await (await open(dir)).write(POD, utf8("spec"));
    const store = await open(dir);
    assert.deepEqual(store.keys("pod"), ["uid-1"]);
    assert.deepEqual(await store.read(POD), utf8("spec"));
  }));

Deno.test("write() uses the reserve when the disk is full, and remove() of a pod fills it again", () =>
  withSmallDisk(async (dir) => {
    const store = await open(dir);
    const { size } = await Deno.stat(`${dir}/reserve`);
    assert.equal(size, 512 * 1024);
    await store.write(POD, utf8("small"));
    await fillDisk(dir);
    const content = new Uint8Array(20_000);
    await assert.rejects(
      store.write(POD, content),
      /Cannot write pod "uid-1" to state: no space left on the device/,
    );
    await store.write(POD, content, { useReserve: true });
    assert.deepEqual(await store.read(POD), content);
    await assert.rejects(Deno.stat(`${dir}/reserve`), Deno.errors.NotFound);
    await Deno.remove(`${dir}/filler`);
    await store.remove(POD);
    assert.equal((await Deno.stat(`${dir}/reserve`)).size, size);
  }));

Deno.test("openStore() goes on without a reserve when the disk is full", () =>
  withSmallDisk(async (dir) => {
    await fillDisk(dir);
    const store = await open(dir);
    await assert.rejects(Deno.stat(`${dir}/reserve`), Deno.errors.NotFound);
    await assert.rejects(
      store.write(POD, new Uint8Array(20_000), { useReserve: true }),
      /no space left on the device/,
    );
  }));

Deno.test("write() leaves nothing readable on the disk", () =>
  withDir(async (dir) => {
    await (await open(dir)).write(POD, utf8("password=hunter2"));
    const raw = new TextDecoder("latin1").decode(
      await Deno.readFile(`${dir}/pods/uid-1`),
    );
    assert.ok(!raw.includes("hunter2"));
    assert.equal((await Deno.stat(`${dir}/pods/uid-1`)).mode ?? 0, 0o100600);
  }));

Deno.test("write() writes nothing when the content is the same, also after a restart", () =>
  withDir(async (dir) => {
    await (await open(dir)).write(POD, utf8("spec"));
    const before = await inodeOf(`${dir}/pods/uid-1`);
    const store = await open(dir);
    await store.write(POD, utf8("spec"));
    assert.equal(await inodeOf(`${dir}/pods/uid-1`), before);
    await store.write(POD, utf8("spec 2"));
    assert.notEqual(await inodeOf(`${dir}/pods/uid-1`), before);
  }));

Deno.test("openStore() moves an incomplete record aside, wherever it was cut, and keeps the others", () =>
  withDir(async (dir) => {
    const store = await open(dir);
    await store.write({ kind: "pod", key: "other" }, utf8("fine"));
    await store.write(POD, utf8("a spec of some length"));
    const whole = await Deno.readFile(`${dir}/pods/uid-1`);
    for (let length = 0; length < whole.length; length++) {
      await Deno.writeFile(`${dir}/pods/uid-1`, whole.subarray(0, length));
      const again = await open(dir);
      assert.equal(await again.read(POD), undefined, `cut at ${length}`);
      assert.deepEqual(again.keys("pod"), ["other"]);
      assert.equal(again.damaged[0]?.key, "uid-1");
    }
    assert.deepEqual(
      await (await open(dir)).read({ kind: "pod", key: "other" }),
      utf8("fine"),
    );
  }));

Deno.test("openStore() moves a record aside when any bit has changed", () =>
  withDir(async (dir) => {
    await (await open(dir)).write(POD, utf8("spec"));
    const whole = await Deno.readFile(`${dir}/pods/uid-1`);
    for (let index = 0; index < whole.length; index++) {
      const bad = whole.slice();
      bad[index] = (bad[index] ?? 0) ^ 1;
      await Deno.writeFile(`${dir}/pods/uid-1`, bad);
      assert.deepEqual((await open(dir)).keys("pod"), [], `byte ${index}`);
    }
  }));

Deno.test("openStore() moves a record aside when its file was renamed", () =>
  withDir(async (dir) => {
    await (await open(dir)).write(POD, utf8("spec"));
    await Deno.rename(`${dir}/pods/uid-1`, `${dir}/pods/uid-2`);
    const store = await open(dir);
    assert.equal(await store.read({ kind: "pod", key: "uid-2" }), undefined);
    assert.equal(store.damaged.length, 1);
  }));

Deno.test("openStore() keeps at most 16 damaged files", () =>
  withDir(async (dir) => {
    await (await open(dir)).write(POD, utf8("spec"));
    for (let round = 0; round < 20; round++) {
      await Deno.writeFile(`${dir}/pods/uid-1`, utf8("x"));
      await open(dir);
    }
    assert.equal(
      (await Array.fromAsync(Deno.readDir(`${dir}/damaged`))).length,
      16,
    );
  }));

Deno.test("openStore() deletes no record when none opens, so that the right key opens all again", () =>
  withDir(async (dir) => {
    const store = await open(dir);
    for (let index = 0; index < 20; index++) {
      await store.write({ kind: "pod", key: `uid-${index}` }, utf8("spec"));
    }
    await open(dir, new Uint8Array(32).fill(8));
    for await (const { name } of Deno.readDir(`${dir}/damaged`)) {
      const key = name.match(/^pod-(uid-\d+)-/)?.[1];
      await Deno.rename(`${dir}/damaged/${name}`, `${dir}/pods/${key}`);
    }
    assert.equal((await open(dir)).keys("pod").length, 20);
  }));

Deno.test("openStore() opens the other records when one can't be read", () =>
  withDir(async (dir) => {
    const store = await open(dir);
    await store.write({ kind: "pod", key: "other" }, utf8("fine"));
    await store.write(POD, utf8("spec"));
    // Reading address 0 of a process is EIO.
    const mount = await new Deno.Command("mount", {
      args: ["--bind", "/proc/self/mem", `${dir}/pods/uid-1`],
    }).output();
    assert.ok(mount.success, "this test mounts and needs root");
    try {
      const again = await open(dir);
      assert.deepEqual(again.keys("pod"), ["other"]);
      assert.deepEqual(again.damaged.map(({ key }) => key), ["uid-1"]);
    } finally {
      await new Deno.Command("umount", { args: [`${dir}/pods/uid-1`] })
        .output();
    }
  }));

Deno.test("openStore() removes unfinished files of a power cut", () =>
  withDir(async (dir) => {
    await open(dir);
    await Deno.writeFile(`${dir}/pods/uid-1.12345678.aside`, utf8("half"));
    const store = await open(dir);
    assert.deepEqual(store.keys("pod"), []);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(`${dir}/pods`)), []);
  }));

Deno.test("write() throws when a blob does not have its hash, and read() moves a changed one aside", () =>
  withDir(async (dir) => {
    const store = await open(dir);
    const key = await sha256Hex(utf8("content"));
    await assert.rejects(
      store.write({ kind: "blob", key }, utf8("other")),
      (error: AranyaError) => error.code === "invalid",
    );
    await store.write({ kind: "blob", key }, utf8("content"));
    assert.deepEqual(await store.read({ kind: "blob", key }), utf8("content"));
    await Deno.writeFile(`${dir}/blobs/${key}`, utf8("torn"));
    assert.equal(await store.read({ kind: "blob", key }), undefined);
    await store.write({ kind: "blob", key }, utf8("content"));
    assert.deepEqual(await store.read({ kind: "blob", key }), utf8("content"));
  }));

Deno.test("collectBlobs() removes the blobs that are not in the set", () =>
  withDir(async (dir) => {
    const store = await open(dir);
    const keys = await Promise.all(["a", "b", "c"].map(async (text) => {
      const key = await sha256Hex(utf8(text));
      await store.write({ kind: "blob", key }, utf8(text));
      return key;
    }));
    assert.equal(await store.collectBlobs(new Set(keys.slice(0, 1))), 2);
    assert.deepEqual(store.keys("blob"), keys.slice(0, 1));
  }));

Deno.test("write() calls about one record take effect in their order", () =>
  withDir(async (dir) => {
    const store = await open(dir);
    await Promise.all([
      store.write(POD, utf8("1")),
      store.write(POD, utf8("2")),
      store.remove(POD),
      store.write(POD, utf8("3")),
    ]);
    assert.deepEqual(await (await open(dir)).read(POD), utf8("3"));
  }));

Deno.test("openStore() lists every record as damaged when the key is another one", () =>
  withDir(async (dir) => {
    await (await open(dir)).write(POD, utf8("spec"));
    const store = await open(dir, new Uint8Array(32).fill(8));
    assert.equal(store.damaged.length, 1);
    await store.write(POD, utf8("spec"));
    assert.deepEqual(await store.read(POD), utf8("spec"));
  }));

Deno.test("write() throws when the key is not a file name", () =>
  withDir(async (dir) => {
    await assert.rejects(
      (await open(dir)).write({ kind: "pod", key: "../x" }, utf8("")),
      (error: AranyaError) => error.code === "invalid",
    );
  }));

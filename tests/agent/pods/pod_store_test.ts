// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  sha256Hex,
  SILENT_LOGGER,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import { createSeal, openStore } from "../../../lib/agent/state/mod.ts";
import { ConfigureSchema, create } from "../../../lib/shared/wire/mod.ts";
import { createPodRecord } from "../../../lib/agent/pods/pod_record.ts";
import { PodStore } from "../../../lib/agent/pods/pod_store.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { podOf } from "./_support/pods_fixture.ts";

/** A state directory that can be opened several times. */
async function createFixture() {
  const dir = await Deno.makeTempDir();
  const open = async () => {
    const seal = createSeal(new Uint8Array(32));
    const store = await openStore({ dir, seal, log: SILENT_LOGGER });
    const clock = new VirtualClock();
    return { store, pods: new PodStore({ store, clock, log: SILENT_LOGGER }) };
  };
  return {
    dir,
    open,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

Deno.test("countStart() rises with every start of the agent", async () => {
  await using fixture = await createFixture();
  for (const count of [1n, 2n, 3n]) {
    const { pods } = await fixture.open();
    assert.deepEqual(await pods.countStart(), { count, isSaved: true });
  }
});

Deno.test("countStart() keeps its format on disk", async () => {
  await using fixture = await createFixture();
  const { store, pods } = await fixture.open();
  await pods.countStart();
  assert.deepEqual(
    await store.read({ kind: "setting", key: "epoch" }),
    new Uint8Array([0, 0, 0, 0, 0, 0, 0, 1]),
  );
});

Deno.test("loadSettings() reads what saveSettings() wrote", async () => {
  await using fixture = await createFixture();
  const settings = create(ConfigureSchema, { podCidr: "10.9.0.0/26" });
  const first = await fixture.open();
  await first.pods.saveSettings(settings);
  assert.equal(first.pods.settings, settings);
  const { store, pods } = await fixture.open();
  assert.equal(pods.settings.podCidr, "");
  await pods.loadSettings();
  assert.deepEqual(pods.settings, settings);
  assert.deepEqual(store.keys("setting"), ["configure"]);
});

Deno.test("loadRecords() reads what save() wrote until remove()", async () => {
  await using fixture = await createFixture();
  const record = createPodRecord(podOf(), { firstSeenUnixMs: 5 });
  const first = await fixture.open();
  await first.pods.save(record);
  await first.pods.save(createPodRecord(podOf({ uid: "u2" }), {
    firstSeenUnixMs: 6,
  }));
  await first.pods.remove("u2");
  await first.pods.remove("u2");
  const { pods } = await fixture.open();
  assert.deepEqual(await pods.loadRecords(), [{
    ...record,
    failure: undefined,
    lastStatus: undefined,
  }]);
  assert.equal(pods.hasDamage, false);
});

Deno.test("loadRecords() leaves out records that can't be decoded or are damaged", async () => {
  await using fixture = await createFixture();
  const first = await fixture.open();
  await first.store.write({ kind: "pod", key: "u1" }, utf8("no record"));
  await first.pods.save(createPodRecord(podOf({ uid: "u2" }), {
    firstSeenUnixMs: 5,
  }));
  await first.pods.save(createPodRecord(podOf({ uid: "u3" }), {
    firstSeenUnixMs: 5,
  }));
  await Deno.writeFile(`${fixture.dir}/pods/u2`, utf8("torn"));
  const { pods } = await fixture.open();
  const records = await pods.loadRecords();
  assert.deepEqual(records.map(({ spec }) => spec.uid), ["u3"]);
  assert.equal(pods.hasDamage, true);
});

Deno.test("listHeldTokenFiles() returns the token files whose content is kept", async () => {
  await using fixture = await createFixture();
  const { store, pods } = await fixture.open();
  const sha256 = await sha256Hex(utf8("jwt"));
  const spec = podOf({
    volumes: [{
      name: "v",
      source: {
        case: "files",
        value: {
          files: [
            { path: "ca.crt", sha256 },
            { path: "token", sha256, token: { expiresUnixMs: 5n } },
            { path: "other", sha256: "00", token: {} },
          ],
        },
      },
    }],
  });
  assert.deepEqual(pods.listHeldTokenFiles(spec), []);
  await store.write({ kind: "blob", key: sha256 }, utf8("jwt"));
  const [file, ...others] = pods.listHeldTokenFiles(spec);
  assert.deepEqual(others, []);
  assert.equal(file?.path, "token");
  assert.equal(file?.token?.expiresUnixMs, 5n);
});

Deno.test("a record that can't be read does not affect the others", async () => {
  await using fixture = await createFixture();
  const first = await fixture.open();
  for (const uid of ["u1", "u2"]) {
    await first.pods.save(createPodRecord(podOf({ uid }), {
      firstSeenUnixMs: 5,
    }));
  }
  await first.pods.saveSettings(create(ConfigureSchema, { podCidr: "x" }));
  await first.pods.countStart();
  const { store, pods } = await fixture.open();
  const read = store.read.bind(store);
  store.read = (name) =>
    name.key === "u2"
      ? read(name)
      : Promise.reject(new AranyaError("internal", "Cannot read: disk fails"));
  await pods.loadSettings();
  assert.equal(pods.settings.podCidr, "");
  const records = await pods.loadRecords();
  assert.deepEqual(records.map(({ spec }) => spec.uid), ["u2"]);
  assert.equal(pods.hasDamage, true);
  // Above every number that was counted up to now.
  const { count } = await pods.countStart();
  assert.equal(count, 1_800_000_002n);
  const again = await fixture.open();
  assert.equal((await again.pods.countStart()).count, 1_800_000_003n);
});

Deno.test("collectBlobs() removes contents that no pod uses", async () => {
  await using fixture = await createFixture();
  const { store, pods } = await fixture.open();
  const hashes = await Promise.all(
    ["a", "b"].map((text) => sha256Hex(utf8(text))),
  );
  const [used = ""] = hashes;
  const contents = await pods.loadBlobs({
    hashes,
    fetchMissing: () => Promise.resolve([utf8("a"), utf8("b")]),
  });
  assert.equal(contents.size, 2);
  const files = [{ path: "file", sha256: used }];
  await pods.collectBlobs([podOf({
    volumes: [{ name: "v", source: { case: "files", value: { files } } }],
  })]);
  assert.deepEqual(store.keys("blob"), [used]);
});

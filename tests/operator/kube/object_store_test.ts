// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import type { ConfigMap } from "../../../lib/operator/kube/mod.ts";
import { ObjectStore } from "../../../lib/operator/kube/object_store.ts";

function configMap(name: string, version = "1", color = "red"): ConfigMap {
  return {
    metadata: { namespace: "ns", name, uid: name, resourceVersion: version },
    data: { color },
  };
}

/** A store, and its changes as "+ns/a", "~ns/a" and "-ns/a". */
function createFixture(log = SILENT_LOGGER) {
  const store = new ObjectStore<ConfigMap>({
    log,
    index: ({ data }) => data?.color,
  });
  const changes: string[] = [];
  const unsubscribe = store.subscribe(({ key, now, old }) =>
    void changes.push(`${now ? old ? "~" : "+" : "-"}${key}`)
  );
  return { store, changes, unsubscribe };
}

Deno.test("ObjectStore reports each change once", () => {
  const { store, changes, unsubscribe } = createFixture();
  store.put(configMap("a"));
  store.put(configMap("a"));
  store.put(configMap("a", "2"));
  store.delete("ns/a");
  store.delete("ns/a");
  assert.deepEqual(changes, ["+ns/a", "~ns/a", "-ns/a"]);
  assert.equal(store.size, 0);
  unsubscribe();
  store.put(configMap("b"));
  assert.equal(changes.length, 3);
});

Deno.test("ObjectStore.put() reports a change when the UID alone is new", () => {
  const { store, changes } = createFixture();
  store.put(configMap("a"));
  const other = configMap("a");
  store.put({ ...other, metadata: { ...other.metadata, uid: "new" } });
  assert.deepEqual(changes, ["+ns/a", "~ns/a"]);
});

Deno.test("ObjectStore.byIndex() follows changes of the index value", () => {
  const { store } = createFixture();
  const namesOf = (color: string) =>
    store.byIndex(color).map(({ metadata }) => metadata.name);
  store.put(configMap("a"));
  store.put(configMap("b"));
  assert.deepEqual(namesOf("red"), ["a", "b"]);
  store.put(configMap("a", "2", "blue"));
  assert.deepEqual(namesOf("red"), ["b"]);
  assert.deepEqual(namesOf("blue"), ["a"]);
  store.delete("ns/a");
  assert.deepEqual(namesOf("blue"), []);
});

Deno.test("ObjectStore.replaceAll() removes, adds and updates", () => {
  const { store, changes } = createFixture();
  for (const name of ["a", "b", "c"]) store.put(configMap(name));
  changes.length = 0;
  store.replaceAll([configMap("b"), configMap("c", "2"), configMap("d")]);
  assert.deepEqual(changes, ["-ns/a", "~ns/c", "+ns/d"]);
  assert.deepEqual(
    store.list().map(({ metadata }) => metadata.name),
    ["b", "c", "d"],
  );
  assert.equal(store.get("ns/c")?.metadata.resourceVersion, "2");
});

Deno.test("ObjectStore.subscribe() replays present objects when asked to", () => {
  const { store } = createFixture();
  store.put(configMap("a"));
  const keys: string[] = [];
  store.subscribe(({ key, old }) => {
    assert.equal(old, undefined);
    keys.push(key);
  }, { replay: true });
  store.put(configMap("b"));
  assert.deepEqual(keys, ["ns/a", "ns/b"]);
});

Deno.test("ObjectStore notifies the others when a listener throws, and logs it", () => {
  const lines: string[] = [];
  const { store, changes } = createFixture({
    ...SILENT_LOGGER,
    error: (message, fields) => void lines.push(`${message} ${fields?.object}`),
  });
  store.subscribe(() => {
    throw new Error("broken");
  });
  store.put(configMap("a"));
  store.unsubscribeAll();
  store.put(configMap("b"));
  assert.deepEqual(changes, ["+ns/a"]);
  assert.deepEqual(lines, ["change listener threw ns/a"]);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8 } from "../../../lib/shared/base/mod.ts";
import { PodBlobs } from "../../../lib/operator/pods/pod_blobs.ts";
import { create, FetchBlobsSchema } from "../../../lib/shared/wire/mod.ts";
import {
  REFERRING_POD,
  TranslationInputs,
} from "./_support/translation_inputs.ts";

function open() {
  const inputs = new TranslationInputs();
  const lost: string[] = [];
  const enqueued: string[] = [];
  const state: { kind: "ready" | "syncing"; listed: boolean } = {
    kind: "ready",
    listed: true,
  };
  const blobs = new PodBlobs({
    sources: {
      hasListedPods: () => state.listed,
      stateOf: () => ({ kind: state.kind }),
    },
    pods: {
      findByUid: (uid) => uid === "u-1" ? REFERRING_POD : undefined,
    },
    translations: inputs.translations,
    tokens: {
      dropLost: (uid, sha256) => {
        lost.push(`${uid} ${sha256}`);
        return sha256 === "adopted";
      },
    },
    enqueue: (podKey) => void enqueued.push(podKey),
  });
  const fetch = (podUid: string, sha256: string[]) =>
    blobs.fetch(create(FetchBlobsSchema, { podUid, sha256 })).contents.map(
      fromUtf8,
    );
  return { inputs, state, lost, enqueued, fetch };
}

Deno.test("PodBlobs.fetch() returns contents in the order of the hashes, without translating again", () => {
  const { inputs, fetch } = open();
  const hashes = [
    ...inputs.translations.findContents(REFERRING_POD).keys(),
  ];
  assert.deepEqual(fetch("u-1", hashes), ["1", "t1"]);
  assert.deepEqual(fetch("u-1", [...hashes].reverse()), ["t1", "1"]);
  assert.deepEqual(fetch("u-1", []), []);
  assert.equal(inputs.translationCount, 1);
});

Deno.test("PodBlobs.fetch() throws for files that the pod no longer refers to", () => {
  const { inputs, fetch } = open();
  const [hash = ""] = inputs.translations.findContents(REFERRING_POD).keys();
  assert.deepEqual(fetch("u-1", [hash]), ["1"]);
  inputs.configMaps.set("ns/cm", {
    metadata: { namespace: "ns", name: "cm" },
    data: { a: "2" },
  });
  assert.throws(() => fetch("u-1", [hash]), {
    code: "not_found",
    message:
      `Cannot fetch file ${hash} of pod "ns/web": the pod no longer refers to it`,
  });
});

Deno.test("PodBlobs.fetch() returns the first contents that fit in 2 MiB, at least one", () => {
  const { inputs, fetch } = open();
  const data = Object.fromEntries(
    ["a", "b", "c", "d", "e"].map((name) => [name, name.repeat(900_000)]),
  );
  inputs.configMaps.set("ns/cm", {
    metadata: { namespace: "ns", name: "cm" },
    data: { ...data, f: "f".repeat(3_000_000) },
  });
  const hashes = [
    ...inputs.translations.findContents(REFERRING_POD).keys(),
  ];
  const lengths = (wanted: string[]) =>
    fetch("u-1", wanted).map(({ length }) => length).filter((length) =>
      length > 100
    );
  assert.ok(hashes.length >= 6, `${hashes.length} files`);
  assert.deepEqual(lengths(hashes), [900_000, 900_000]);
  const large = hashes.filter((hash) =>
    fetch("u-1", [hash])[0]?.length === 3_000_000
  );
  assert.deepEqual(lengths([...large, ...hashes.slice(0, 1)]), [3_000_000]);
});

Deno.test("PodBlobs.fetch() throws for a hash that is repeated and for more than 64", () => {
  const { inputs, fetch } = open();
  const [hash = ""] = inputs.translations.findContents(REFERRING_POD).keys();
  assert.throws(() => fetch("u-1", [hash, hash]), {
    code: "invalid",
    message: 'Cannot fetch files of pod "ns/web": a hash is repeated',
  });
  const many = Array.from({ length: 65 }, (_, index) => String(index));
  assert.throws(() => fetch("u-1", many), {
    code: "invalid",
    message:
      'Cannot fetch files of pod "ns/web": 65 hashes, expected at most 64',
  });
});

Deno.test("PodBlobs.fetch() throws for a pod that is not on the node", () => {
  const { fetch } = open();
  assert.throws(() => fetch("u-2", []), {
    code: "not_found",
    message:
      'Cannot fetch files of pod with UID "u-2": no such pod on this node',
  });
});

Deno.test("PodBlobs.fetch() throws unavailable until the pod and what it refers to are known", () => {
  const { state, fetch } = open();
  state.kind = "syncing";
  assert.throws(() => fetch("u-1", []), {
    code: "unavailable",
    message:
      'Cannot fetch files of pod "ns/web": its namespace has not been read yet',
  });
  state.listed = false;
  assert.throws(() => fetch("u-2", []), {
    code: "unavailable",
    message:
      'Cannot fetch files of pod with UID "u-2": the pods of this node are not known yet',
  });
});

Deno.test("PodBlobs.fetch() has a token renewed that only the device had and has lost", () => {
  const { lost, enqueued, fetch } = open();
  assert.throws(() => fetch("u-1", ["adopted"]), { code: "not_found" });
  assert.throws(() => fetch("u-1", ["other"]), { code: "not_found" });
  assert.deepEqual(lost, ["u-1 adopted", "u-1 other"]);
  assert.deepEqual(enqueued, ["ns/web"]);
});

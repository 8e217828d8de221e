// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Pod } from "../../../lib/operator/kube/mod.ts";
import { create, FileSchema } from "../../../lib/shared/wire/mod.ts";
import { toPodToken } from "../podspec/_support/fixtures.ts";
import {
  REFERRING_POD as POD,
  TranslationInputs,
} from "./_support/translation_inputs.ts";

const UNKNOWN = { held: undefined };

/** Returns that the device has this command of {@linkcode POD}, with this token. */
function holding(specHash: string, token = "t1") {
  const { sha256 } = toPodToken(token);
  const tokenFiles = [create(FileSchema, { path: "token", sha256, token: {} })];
  return { held: { specHash, tokenFiles } };
}

Deno.test("PodTranslations.translate() returns the command only when the device has another one", () => {
  const { translations } = new TranslationInputs();
  const first = translations.translate(POD, UNKNOWN);
  assert.equal(first.spec?.specHash, first.specHash);
  const { specHash } = first;
  const known = translations.translate(POD, holding(specHash));
  assert.equal(known.spec, undefined);
  assert.equal(known.specHash, specHash);
  assert.deepEqual(known.refs, first.refs);
  const changed = translations.translate(POD, holding("other"));
  assert.equal(changed.spec?.specHash, specHash);
});

Deno.test("PodTranslations.translate() returns the command when the device lacks its token", () => {
  const { translations } = new TranslationInputs();
  const { specHash } = translations.translate(POD, UNKNOWN);
  const find = (token: string) =>
    translations.translate(POD, holding(specHash, token)).spec;
  assert.equal(find("t1"), undefined);
  assert.equal(find("t0")?.specHash, specHash);
});

Deno.test("PodTranslations.translate() omits the command when a restarted operator finds it on the device", () => {
  const { specHash } = new TranslationInputs().translations
    .translate(POD, UNKNOWN);
  const restarted = new TranslationInputs();
  const found = restarted.translations.translate(POD, holding(specHash));
  assert.equal(found.spec, undefined);
  assert.equal(restarted.translationCount, 1);
});

Deno.test("PodTranslations.translate() does not translate again when only the status changes", () => {
  const inputs = new TranslationInputs();
  const { translations } = inputs;
  const { specHash } = translations.translate(POD, UNKNOWN);
  for (let version = 2; version < 5; version++) {
    const pod = structuredClone(POD);
    pod.metadata.resourceVersion = String(version);
    pod.status = { phase: "Running", podIP: `10.0.0.${version}` };
    const next = translations.translate(pod, holding(specHash));
    assert.equal(next.specHash, specHash);
    assert.equal(inputs.readTexts(pod).length, 2);
  }
  assert.equal(inputs.translationCount, 1);
});

Deno.test("PodTranslations.translate() translates again when an input changes", () => {
  const cases: {
    title: string;
    change: (inputs: TranslationInputs) => Partial<Pod> | void;
    /** Whether the command is the same in spite of the change. */
    isSameCommand?: boolean;
  }[] = [
    {
      title: "spec",
      change: () => ({ spec: { ...POD.spec, hostname: "other" } }),
    },
    {
      title: "label",
      change: () => ({ metadata: { ...POD.metadata, labels: { app: "b" } } }),
      isSameCommand: true,
    },
    {
      title: "annotation",
      change: () => ({ metadata: { ...POD.metadata, annotations: { a: "" } } }),
      isSameCommand: true,
    },
    {
      title: "UID",
      change: () => ({ metadata: { ...POD.metadata, uid: "u-2" } }),
    },
    {
      title: "ConfigMap changed",
      change: ({ configMaps }) =>
        void configMaps.set("ns/cm", {
          metadata: { namespace: "ns", name: "cm" },
          data: { a: "2" },
        }),
    },
    {
      title: "ConfigMap deleted",
      change: ({ configMaps }) => void configMaps.delete("ns/cm"),
    },
    {
      title: "Secret changed",
      change: ({ secrets }) =>
        void secrets.set("ns/s", {
          metadata: { namespace: "ns", name: "s" },
          data: { KEY: btoa("y") },
        }),
    },
    {
      title: "Service created",
      change: ({ services }) =>
        void services.push({
          metadata: { namespace: "ns", name: "db" },
          spec: { clusterIP: "10.96.0.9", ports: [{ port: 1 }] },
        }),
    },
    {
      title: "token renewed",
      change: (inputs) => {
        inputs.token = "t2";
      },
    },
    {
      title: "size of the Node",
      change: ({ node }) => {
        node.allocatable = { cpuMillis: 2000, memoryBytes: 1024 };
      },
    },
    {
      title: "name servers",
      change: ({ settings }) => {
        settings.dns = undefined;
      },
    },
  ];
  for (const { title, change, isSameCommand = false } of cases) {
    const inputs = new TranslationInputs();
    const before = inputs.translations.translate(POD, UNKNOWN);
    const pod = { ...POD, ...change(inputs) };
    const after = inputs.translations.translate(
      pod,
      holding(before.specHash),
    );
    assert.equal(inputs.translationCount, 2, title);
    assert.equal(after.spec === undefined, isSameCommand, title);
    const isSameHash = isSameCommand || title === "token renewed";
    assert.equal(after.specHash === before.specHash, isSameHash, title);
  }
});

Deno.test("PodTranslations.translate() ignores changes of what the pod does not refer to", () => {
  const inputs = new TranslationInputs();
  const pod: Pod = {
    metadata: { namespace: "ns", name: "plain", uid: "u-3" },
    spec: { enableServiceLinks: false, containers: [{ name: "app" }] },
  };
  const { specHash } = inputs.translations.translate(pod, UNKNOWN);
  inputs.configMaps.clear();
  inputs.secrets.clear();
  inputs.token = "t2";
  inputs.settings.dns = undefined;
  inputs.node.allocatable = { cpuMillis: 1, memoryBytes: 1 };
  inputs.translations.translate(pod, holding(specHash));
  assert.equal(inputs.translationCount, 1);
});

Deno.test("PodTranslations.findContents() returns current contents from the kept translation", () => {
  const inputs = new TranslationInputs();
  inputs.translations.translate(POD, UNKNOWN);
  assert.deepEqual(inputs.readTexts(POD), ["1", "t1"]);
  assert.deepEqual(inputs.readTexts(POD), ["1", "t1"]);
  assert.equal(inputs.translationCount, 1);
  inputs.token = "t2";
  assert.deepEqual(inputs.readTexts(POD), ["1", "t2"]);
  assert.equal(inputs.translationCount, 2);
});

Deno.test("PodTranslations.delete() drops what is kept of a pod", () => {
  const inputs = new TranslationInputs();
  inputs.translations.translate(POD, UNKNOWN);
  inputs.translations.delete("ns/other");
  inputs.translations.findContents(POD);
  assert.equal(inputs.translationCount, 1);
  inputs.translations.delete("ns/web");
  inputs.translations.findContents(POD);
  assert.equal(inputs.translationCount, 2);
});

Deno.test("PodTranslations.findUnsupportedFields() follows spec and capabilities", () => {
  const { translations } = new TranslationInputs();
  const probed: Pod = {
    ...POD,
    spec: {
      containers: [{ name: "app", livenessProbe: { tcpSocket: { port: 1 } } }],
    },
  };
  const find = (pod: Pod, capabilities: string[]) =>
    translations.findUnsupportedFields(pod, capabilities);
  const path = "spec.containers[0].livenessProbe";
  assert.deepEqual(find(probed, ["pods.v1"]), [path]);
  const kept = find(probed, ["pods.v1"]);
  assert.equal(find({ ...probed, status: {} }, ["pods.v1"]), kept);
  assert.deepEqual(find(probed, ["pods.v1", "probes.v1"]), []);
  assert.deepEqual(find(POD, ["pods.v1"]), []);
  assert.deepEqual(find(probed, ["pods.v1"]), [path]);
});

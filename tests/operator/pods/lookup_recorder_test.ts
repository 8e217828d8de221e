// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import type { ConfigMap, Service } from "../../../lib/operator/kube/mod.ts";
import type {
  PodLookups,
  PodToken,
} from "../../../lib/operator/podspec/mod.ts";
import { toPodToken } from "../podspec/_support/fixtures.ts";
import { LookupRecorder } from "../../../lib/operator/pods/lookup_recorder.ts";

const TOKEN = { audience: "", expirationSeconds: 3600 };

/** Answers of the lookups, changed by the tests. */
function makeAnswers() {
  const service: Service = { metadata: { namespace: "ns", name: "db" } };
  return {
    configMap: undefined as ConfigMap | undefined,
    services: [service] as Service[],
    token: toPodToken("t1") as PodToken | { missing: string },
    cpuMillis: 4000 as number | undefined,
    servers: ["10.0.0.53"],
  };
}

function open() {
  const answers = makeAnswers();
  const lookups: PodLookups = {
    findConfigMap: () => answers.configMap,
    findSecret: () => undefined,
    // a new list of the same objects at each call, as informers return
    listServices: () => [...answers.services],
    findToken: () => ({ ...answers.token }),
    allocatable: {
      get cpuMillis() {
        if (answers.cpuMillis !== undefined) return answers.cpuMillis;
        throw new AranyaError("unavailable", "Cannot read size: not reported");
      },
      memoryBytes: 1024,
    },
    get dns() {
      return { servers: [...answers.servers], searches: [], options: [] };
    },
  };
  return { answers, recorder: new LookupRecorder(lookups) };
}

Deno.test("LookupRecorder passes on what the lookups return", () => {
  const { answers, recorder } = open();
  answers.configMap = { metadata: { namespace: "ns", name: "cm" } };
  assert.equal(recorder.findConfigMap("ns", "cm"), answers.configMap);
  assert.equal(recorder.findSecret("ns", "s"), undefined);
  assert.deepEqual(recorder.listServices("ns"), answers.services);
  assert.deepEqual(recorder.findToken(TOKEN), toPodToken("t1"));
  assert.equal(recorder.allocatable.cpuMillis, 4000);
  assert.equal(recorder.allocatable.memoryBytes, 1024);
  assert.deepEqual(recorder.dns?.servers, ["10.0.0.53"]);
  assert.equal(recorder.isCurrent(), true);
});

Deno.test("LookupRecorder.isCurrent() is false when a read has another result", () => {
  type Answers = ReturnType<typeof makeAnswers>;
  const cases: {
    title: string;
    read: (recorder: LookupRecorder) => unknown;
    change: (answers: Answers) => void;
  }[] = [
    {
      title: "ConfigMap created",
      read: (recorder) => recorder.findConfigMap("ns", "cm"),
      change: (answers) => {
        answers.configMap = { metadata: { namespace: "ns", name: "cm" } };
      },
    },
    {
      title: "Service added",
      read: (recorder) => recorder.listServices("ns"),
      change: ({ services }) => {
        services.push({ metadata: { namespace: "ns", name: "web" } });
      },
    },
    {
      title: "Service changed",
      read: (recorder) => recorder.listServices("ns"),
      change: ({ services }) => {
        services[0] = {
          metadata: { namespace: "ns", name: "db" },
          spec: { clusterIP: "10.96.0.1" },
        };
      },
    },
    {
      title: "token renewed",
      read: (recorder) => recorder.findToken(TOKEN),
      change: (answers) => {
        answers.token = toPodToken("t2");
      },
    },
    {
      title: "size changed",
      read: (recorder) => recorder.allocatable.cpuMillis,
      change: (answers) => {
        answers.cpuMillis = 2000;
      },
    },
    {
      title: "size no longer known",
      read: (recorder) => recorder.allocatable.cpuMillis,
      change: (answers) => {
        answers.cpuMillis = undefined;
      },
    },
    {
      title: "name servers changed",
      read: (recorder) => recorder.dns,
      change: ({ servers }) => void servers.push("10.0.0.54"),
    },
  ];
  for (const { title, read, change } of cases) {
    const { answers, recorder } = open();
    read(recorder);
    assert.equal(recorder.isCurrent(), true, title);
    change(answers);
    assert.equal(recorder.isCurrent(), false, title);
  }
});

Deno.test("LookupRecorder.isCurrent() ignores what was not read", () => {
  const { answers, recorder } = open();
  recorder.findToken(TOKEN);
  answers.cpuMillis = 1;
  answers.servers = [];
  answers.services = [];
  assert.equal(recorder.isCurrent(), true);
});

Deno.test("LookupRecorder.isCurrent() compares errors by their text", () => {
  const { answers, recorder } = open();
  answers.cpuMillis = undefined;
  assert.throws(() => recorder.allocatable.cpuMillis, { code: "unavailable" });
  assert.equal(recorder.isCurrent(), true);
  answers.cpuMillis = 4000;
  assert.equal(recorder.isCurrent(), false);
});

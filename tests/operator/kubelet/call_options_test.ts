// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  findContradiction,
  parseLogOptions,
  parseStreamOptions,
} from "../../../lib/operator/kubelet/call_options.ts";

const TARGET = { namespace: "default", pod: "web", container: "app" };

function logs(query: string) {
  return parseLogOptions(new URLSearchParams(query), TARGET);
}

Deno.test("parseStreamOptions() takes only 1 for true", () => {
  const options = parseStreamOptions(
    new URLSearchParams("input=1&output=true&error=1"),
  );
  assert.deepEqual(options, {
    stdin: true,
    stdout: false,
    stderr: true,
    tty: false,
  });
});

Deno.test("parseStreamOptions() drops stderr with a terminal", () => {
  const { stderr, tty } = parseStreamOptions(
    new URLSearchParams("output=1&error=1&tty=1"),
  );
  assert.deepEqual({ stderr, tty }, { stderr: false, tty: true });
});

Deno.test("parseStreamOptions() refuses a request without streams", () => {
  for (const query of ["", "tty=1", "error=1&tty=1", "input=0"]) {
    assert.throws(() => parseStreamOptions(new URLSearchParams(query)), {
      code: "invalid",
    });
  }
});

Deno.test("parseLogOptions() parses every option of the kubelet", () => {
  assert.deepEqual(
    logs(
      "follow=true&previous=1&timestamps=&tailLines=5&limitBytes=10&sinceTime=2026-01-02T03:04:05.123456789Z&stream=All",
    ),
    {
      follow: true,
      previous: true,
      timestamps: true,
      tailLines: 5,
      limitBytes: 10,
      sinceTime: "2026-01-02T03:04:05.123456789Z",
    },
  );
});

Deno.test("parseLogOptions() sets no option by default", () => {
  assert.deepEqual(logs("follow=false&previous=0&tailLines=&sinceTime=null"), {
    follow: false,
    previous: false,
    timestamps: false,
  });
});

Deno.test("parseLogOptions() accepts the old name of tailLines", () => {
  assert.equal(logs("tail=7").tailLines, 7);
  assert.equal(logs("tail=all&tailLines=3").tailLines, undefined);
});

for (
  const query of [
    "tailLines=x",
    "tailLines=1.5",
    "limitBytes=1e3",
    "sinceSeconds=9999999999999999999999",
    "sinceTime=yesterday",
    "sinceTime=2026-13-45T00:00:00Z",
    "stream=Other",
  ]
) {
  Deno.test(`parseLogOptions() can't parse ${query}`, () => {
    assert.throws(() => logs(query), { code: "invalid" });
  });
}

for (
  const [query, sentence] of [
    ["tailLines=-1", "tailLines is less than 0"],
    ["limitBytes=0", "limitBytes is less than 1"],
    ["sinceSeconds=0", "sinceSeconds is less than 1"],
    [
      "sinceSeconds=5&sinceTime=2026-01-02T03:04:05Z",
      "both sinceSeconds and sinceTime are given, expected one",
    ],
    ["tailLines=0&limitBytes=1&sinceSeconds=1", undefined],
  ] as const
) {
  Deno.test(`findContradiction() returns ${sentence} for ${query}`, () => {
    assert.equal(findContradiction(logs(query)), sentence);
  });
}

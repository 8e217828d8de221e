// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  type HostLogOptions,
  readHostLog,
  skipLinesBefore,
} from "../../../lib/agent/host/logs.ts";
import { until } from "../../../dev/base/wait.ts";

const ENV = { PATH: "/usr/bin:/bin" };

async function withFile(
  text: string,
  work: (file: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/log`, text);
    await work(`${folder}/log`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function read(options: Partial<HostLogOptions>): Promise<string> {
  const parts = await Array.fromAsync(readHostLog({
    follow: false,
    env: ENV,
    signal: new AbortController().signal,
    ...options,
  }));
  return fromUtf8(concatBytes(parts));
}

Deno.test("readHostLog() yields a file, its last lines, or its first bytes", async () => {
  await withFile("one\ntwo\nthree\n", async (file) => {
    assert.equal(await read({ file }), "one\ntwo\nthree\n");
    assert.equal(await read({ file, tailLines: 2 }), "two\nthree\n");
    assert.equal(await read({ file, tailLines: 0 }), "");
    assert.equal(await read({ file, limitBytes: 5 }), "one\nt");
    assert.equal(await read({ file, limitBytes: 0 }), "");
  });
});

Deno.test("readHostLog() follows a file across its rotation until the signal", async () => {
  await withFile("one\n", async (file) => {
    const stop = new AbortController();
    let text = "";
    const following = (async () => {
      const chunks = readHostLog({
        file,
        follow: true,
        env: ENV,
        signal: stop.signal,
      });
      for await (const chunk of chunks) text += fromUtf8(chunk);
    })();
    await until(() => text === "one\n");
    await Deno.writeTextFile(file, "two\n", { append: true });
    await until(() => text === "one\ntwo\n");
    await Deno.rename(file, `${file}.1`);
    await Deno.writeTextFile(file, "three\n");
    await until(() => text === "one\ntwo\nthree\n");
    stop.abort();
    await following;
  });
});

Deno.test("readHostLog() fails when the file is missing, or without a journal", async () => {
  await assert.rejects(read({ file: "/absent/log" }), {
    code: "not_found",
    message: /no such file, expected the one of host.logFile/,
  });
  await assert.rejects(read({ env: { PATH: "/absent" } }), {
    code: "unsupported",
    message: /no journal \(journalctl\), expected host.logFile/,
  });
});

const OLD = "2026-11-21T10:00:00Z old\n";
const NEW = "2026-11-21T10:00:02Z new\n";
for (
  const { title, text, options = {}, expected } of [
    {
      title: "skips lines without a time before the first one that is skipped",
      text: `banner\n${OLD}${NEW}`,
      expected: NEW,
    },
    {
      title: "keeps lines without a time before the first one that is kept",
      text: `banner\n${NEW}`,
      expected: `banner\n${NEW}`,
    },
    {
      title: "keeps a log without times",
      text: "one\ntwo\n",
      expected: "one\ntwo\n",
    },
    {
      title: "skips what the last lines begin with, when an old one follows",
      text: `${OLD}rest\n${OLD}${NEW}`,
      options: { tailLines: 3 },
      expected: NEW,
    },
    {
      title: "keeps the last lines when none of them has a time",
      text: `${NEW}rest\nof it\n`,
      options: { tailLines: 2 },
      expected: "rest\nof it\n",
    },
  ]
) {
  Deno.test(`readHostLog() with sinceTime ${title}`, () =>
    withFile(text, async (file) => {
      const sinceTime = "2026-11-21T10:00:01Z";
      assert.equal(await read({ file, sinceTime, ...options }), expected);
    }));
}

for (
  const [text, options] of [
    ["one\ntwo\n", {}],
    ["one\n", { tailLines: 1 }],
  ] as const
) {
  Deno.test(`readHostLog() with sinceTime follows ${JSON.stringify(text)} at once with ${JSON.stringify(options)}`, () =>
    withFile(`${options.tailLines ? OLD : ""}${text}`, async (file) => {
      const stop = new AbortController();
      const chunks = readHostLog({
        file,
        follow: true,
        sinceTime: "2026-11-21T10:00:01Z",
        env: ENV,
        signal: stop.signal,
        ...options,
      });
      let shown = "";
      for await (const chunk of chunks) {
        shown += fromUtf8(chunk);
        if (shown === text) stop.abort();
      }
      assert.equal(shown, text);
    }));
}

Deno.test("skipLinesBefore() skips lines of an earlier time and the lines without a time after them", async () => {
  const text = [
    "2026-11-21T10:00:00Z old",
    "  still old",
    "2026-11-21T10:00:01.5+00:00 new",
    "  still new",
    "",
  ].join("\n");
  for (const size of [1, 10, 1_000]) {
    const bytes = utf8(text);
    const chunks = (async function* () {
      for (let at = 0; at < bytes.length; at += size) {
        yield bytes.subarray(at, at + size);
      }
    })();
    const kept = await Array.fromAsync(
      skipLinesBefore(chunks, { since: "2026-11-21T10:00:01Z" }),
    );
    assert.equal(
      fromUtf8(concatBytes(kept)),
      "2026-11-21T10:00:01.5+00:00 new\n  still new\n",
    );
  }
});

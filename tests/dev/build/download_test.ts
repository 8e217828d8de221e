// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { download, downloadText } from "../../../dev/build/download.ts";
import { hasCode } from "../../../lib/shared/base/mod.ts";

const BODY = "a small release";
const SHA256 = createHash("sha256").update(BODY).digest("hex");

/** What the server does with one connection. */
type Answer = "whole" | "half" | "stall" | "not found" | "close";

const RESPONSES: Record<Exclude<Answer, "close">, string> = {
  whole:
    `HTTP/1.1 200 OK\r\ncontent-length: ${BODY.length}\r\nconnection: close\r\n\r\n${BODY}`,
  half:
    `HTTP/1.1 200 OK\r\ncontent-length: ${BODY.length}\r\nconnection: close\r\n\r\na sm`,
  stall:
    `HTTP/1.1 200 OK\r\ncontent-length: ${BODY.length}\r\nconnection: close\r\n\r\na sm`,
  "not found":
    "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
};

/** A server with one answer for each connection; further connections are closed. */
class ScriptedServer implements AsyncDisposable {
  readonly url: string;
  /** Connections so far. */
  count = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #stalled: Deno.Conn[] = [];
  readonly #serving: Promise<void>;

  constructor(answers: Answer[]) {
    this.url = `http://127.0.0.1:${this.#listener.addr.port}/file`;
    this.#serving = this.#serve(answers);
  }

  async #serve(answers: Answer[]): Promise<void> {
    for await (const connection of this.#listener) {
      const answer = answers[this.count++] ?? "close";
      await connection.read(new Uint8Array(4096));
      if (answer !== "close") {
        await connection.write(new TextEncoder().encode(RESPONSES[answer]));
      }
      if (answer === "stall") this.#stalled.push(connection);
      else connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#serving;
    for (const connection of this.#stalled) connection.close();
  }
}

/** Long enough for what a busy machine's server sends at once. */
const STALL_TIMEOUT_MS = 2_000;

/** Downloads from a server with these answers; returns the file's text. */
async function fetchFrom(
  server: ScriptedServer,
  options: { sha256?: string; signal?: AbortSignal; stallTimeoutMs?: number } =
    {},
): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "aranya-test-" });
  try {
    const path = `${folder}/new/file`;
    await download({
      url: server.url,
      path,
      sha256: SHA256,
      ...options,
    });
    return await Deno.readTextFile(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const isUnavailable = (error: unknown) => hasCode(error, "unavailable");

Deno.test("download() writes a file whose checksum is right", async () => {
  await using server = new ScriptedServer(["whole"]);
  assert.equal(await fetchFrom(server), BODY);
  assert.equal(server.count, 1);
});

Deno.test("download() tries once more when the connection breaks or stalls in the body", async () => {
  for (const first of ["half", "stall"] as const) {
    await using server = new ScriptedServer([first, "whole"]);
    const text = await fetchFrom(server, { stallTimeoutMs: STALL_TIMEOUT_MS });
    assert.equal(text, BODY, first);
    assert.equal(server.count, 2);
  }
});

Deno.test("download() throws unavailable when the body breaks or stalls twice", async () => {
  for (const answer of ["half", "stall"] as const) {
    await using server = new ScriptedServer([answer, answer, "whole"]);
    await assert.rejects(
      fetchFrom(server, { stallTimeoutMs: STALL_TIMEOUT_MS }),
      isUnavailable,
      answer,
    );
    assert.equal(server.count, 2);
  }
});

Deno.test("download() throws unavailable without another attempt when the server does not answer with the file", async () => {
  for (const answer of ["not found", "close"] as const) {
    await using server = new ScriptedServer([answer, "whole"]);
    await assert.rejects(fetchFrom(server), isUnavailable, answer);
  }
  const server = new ScriptedServer([]);
  await server[Symbol.asyncDispose]();
  await assert.rejects(fetchFrom(server), isUnavailable);
});

Deno.test("download() throws conflict when the checksum differs", async () => {
  await using server = new ScriptedServer(["whole", "whole"]);
  await assert.rejects(
    fetchFrom(server, { sha256: "0".repeat(64) }),
    (error) => hasCode(error, "conflict"),
  );
  assert.equal(server.count, 1);
});

Deno.test("download() ends with the signal's reason when it is aborted", async () => {
  await using server = new ScriptedServer(["stall", "stall"]);
  const controller = new AbortController();
  const result = fetchFrom(server, { signal: controller.signal });
  controller.abort(new Error("interrupted"));
  await assert.rejects(result, /interrupted/);
});

Deno.test("downloadText() returns a text, after another attempt when the body broke", async () => {
  await using server = new ScriptedServer(["half", "whole", "half", "half"]);
  assert.equal(await downloadText(server.url), BODY);
  await assert.rejects(downloadText(server.url), isUnavailable);
});

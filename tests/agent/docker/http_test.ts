// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  type ByteConnection,
  HttpConnection,
  HttpSyntaxError,
  MAX_HEAD_BYTES,
  parseHead,
} from "../../../lib/agent/docker/http.ts";

/** A connection on which this text arrives, so many bytes at a time. */
function scripted(text: string, chunkBytes = text.length): ByteConnection {
  let rest = utf8(text);
  return {
    read(buffer) {
      if (rest.length === 0) return Promise.resolve(null);
      const chunk = rest.subarray(0, Math.min(chunkBytes, buffer.length));
      rest = rest.subarray(chunk.length);
      buffer.set(chunk);
      return Promise.resolve(chunk.length);
    },
    write: (chunk) => Promise.resolve(chunk.length),
    closeWrite: () => Promise.resolve(),
    close() {},
  };
}

async function readResponse(connection: HttpConnection): Promise<string> {
  const head = await connection.readHead();
  const parts = await Array.fromAsync(connection.readBody(head));
  return `${head.status} ${fromUtf8(concatBytes(parts))}`;
}

const CHUNKED =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
const SIZED = "HTTP/1.1 404 Not Found\r\ncontent-length:  4\r\n\r\nnope";

Deno.test("HttpConnection.readBody() decodes every form of body, in chunks of any size", async () => {
  const cases: [text: string, responses: string[]][] = [
    [CHUNKED + SIZED, ["200 abc0123456789", "404 nope"]],
    [`HTTP/1.1 103 Early\r\nLink: x\r\n\r\n${SIZED}`, ["404 nope"]],
    ["HTTP/1.1 204 No Content\r\n\r\n" + SIZED, ["204 ", "404 nope"]],
    ["HTTP/1.0 200 OK\r\n\r\nuntil the end", ["200 until the end"]],
  ];
  for (const [text, responses] of cases) {
    for (const chunkBytes of [1, 2, 5, text.length]) {
      const connection = new HttpConnection(scripted(text, chunkBytes));
      for (const response of responses) {
        assert.equal(await readResponse(connection), response);
      }
    }
  }
});

Deno.test("HttpConnection.readBody() yields small chunks that arrived together as one piece", async () => {
  const chunks = Array.from({ length: 100 }, (_, index) => `line ${index}\n`);
  const body = chunks.map((text) =>
    `${text.length.toString(16)}\r\n${text}\r\n`
  ).join("");
  const connection = new HttpConnection(
    scripted(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}0\r\n\r\n`,
    ),
  );
  const head = await connection.readHead();
  const parts = await Array.fromAsync(connection.readBody(head));
  assert.equal(parts.length, 1);
  assert.equal(fromUtf8(concatBytes(parts)), chunks.join(""));
});

Deno.test("HttpConnection.readRaw() yields the bytes after status 101", async () => {
  const connection = new HttpConnection(
    scripted("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw bytes"),
  );
  assert.equal((await connection.readHead()).status, 101);
  const parts = await Array.fromAsync(connection.readRaw());
  assert.equal(fromUtf8(concatBytes(parts)), "raw bytes");
});

Deno.test("HttpConnection throws HttpSyntaxError for malformed responses", async () => {
  for (
    const text of [
      "",
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
      `HTTP/1.1 200 OK\r\nX: ${"y".repeat(MAX_HEAD_BYTES)}\r\n\r\n`,
    ]
  ) {
    await assert.rejects(
      readResponse(new HttpConnection(scripted(text))),
      HttpSyntaxError,
      text.slice(0, 60),
    );
  }
});

Deno.test("HttpConnection.write() continues until the connection has taken the whole chunk", async () => {
  const taken: number[] = [];
  const connection = new HttpConnection({
    ...scripted(""),
    write(chunk) {
      const count = Math.min(3, chunk.length);
      taken.push(...chunk.subarray(0, count));
      return Promise.resolve(count);
    },
  });
  await connection.write(utf8("more than three"));
  assert.equal(fromUtf8(Uint8Array.from(taken)), "more than three");
});

Deno.test("parseHead() returns header names in lower case", () => {
  const head = parseHead("HTTP/1.1 200 OK\r\nApi-Version: 1.41");
  assert.equal(head.headers.get("api-version"), "1.41");
});

// SPDX-License-Identifier: Apache-2.0
/** Handlers that return everything they receive, and the test that checks it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fromUtf8, utf8 } from "../../../../lib/shared/base/mod.ts";
import type {
  Session,
  SessionHandlers,
} from "../../../../lib/shared/session/mod.ts";
import { Method } from "../../../../lib/shared/wire/mod.ts";
import { gather } from "./pair.ts";
import type { Random } from "../../../../dev/base/random.ts";

/** Answers a request with its hash, and echoes channels 0 and 1 of a stream. */
export const MIRROR: SessionHandlers = {
  // Hashed at once: a hash in the background would be outside of virtual time.
  request: (_method, payload) => Promise.resolve(utf8(hash(payload))),
  async stream(_method, _payload, stream) {
    const copy = async (channel: number) => {
      for await (const chunk of stream.read(channel)) {
        await stream.write(channel, chunk);
      }
      await stream.end(channel);
    };
    await Promise.all([copy(0), copy(1)]);
    await stream.finish(utf8("mirrored"));
  },
};

/** Hexadecimal SHA-256. */
export function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Writes random bytes in random chunks and checks that they come back. */
export async function exchange(
  { session, random, byteCount }: {
    session: Session;
    random: Random;
    byteCount: number;
  },
): Promise<void> {
  const stream = session.open(Method.EXEC, utf8("x"));
  const send = async (channel: number, bytes: Uint8Array) => {
    for (let offset = 0; offset < bytes.length;) {
      const end = offset + 1 + random.below(30_000);
      await stream.write(channel, bytes.subarray(offset, end));
      offset = end;
    }
    await stream.end(channel);
  };
  const work = [0, 1].map(async (channel) => {
    const bytes = random.bytes(random.below(byteCount));
    const [back] = await Promise.all([
      gather(stream.read(channel)),
      send(channel, bytes),
    ]);
    assert.equal(hash(back), hash(bytes));
  });
  await Promise.all(work);
  assert.equal(fromUtf8(await stream.result), "mirrored");
}

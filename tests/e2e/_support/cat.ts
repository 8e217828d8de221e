// SPDX-License-Identifier: Apache-2.0
/** Random bytes through `cat` on a device and back. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { NAMESPACE, type World } from "../../../dev/world/mod.ts";

const MEGABYTE = 1 << 20;
/** As many bytes as `crypto.getRandomValues` takes at a time. */
const MAX_RANDOM_BYTES = 65_536;

/**
 * Sends random bytes to `kubectl exec -i … -- cat`, and checks that the same come back.
 * @param target arguments that name the pod and its container
 */
export async function assertCatReturns(
  world: World,
  { target, sizeMegabytes }: { target: string[]; sizeMegabytes: number },
): Promise<void> {
  const [sent, received] = [createHash("sha256"), createHash("sha256")];
  await using running = world.kubectl.start(
    ["-n", NAMESPACE, "exec", "-i", ...target, "--", "cat"],
  );
  const { child } = running;
  const errors = new Response(child.stderr).text();
  const feeding = (async () => {
    const writer = child.stdin.getWriter();
    for (let at = 0; at < sizeMegabytes; at++) {
      const chunk = randomMegabyte();
      sent.update(chunk);
      await writer.write(chunk);
    }
    await writer.close();
  })();
  let byteCount = 0;
  for await (const chunk of child.stdout) {
    received.update(chunk);
    byteCount += chunk.length;
  }
  await feeding;
  assert.equal((await child.status).code, 0, await errors);
  assert.equal(byteCount, sizeMegabytes * MEGABYTE);
  assert.equal(received.digest("hex"), sent.digest("hex"));
  await errors;
}

/** Returns one mebibyte of random bytes. */
export function randomMegabyte(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MEGABYTE);
  for (let start = 0; start < MEGABYTE; start += MAX_RANDOM_BYTES) {
    crypto.getRandomValues(bytes.subarray(start, start + MAX_RANDOM_BYTES));
  }
  return bytes;
}

/** Returns the SHA-256 of a file, hexadecimal. */
export async function hashFile(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}

// SPDX-License-Identifier: Apache-2.0
/** Requests made on a machine of the test world, to see whether something there answers. */
import type { Machine } from "./machine.ts";

const TIMEOUT_MS = 3000;

/** The body that a GET from this machine brings, or "" when nobody answers within 3 s. A server's certificate is not verified. */
export async function get(machine: Machine, url: string): Promise<string> {
  const script = `const r = await fetch(${JSON.stringify(url)});
    Deno.stdout.writeSync(new TextEncoder().encode(await r.text()))`;
  const result = await machine.tryRun(Deno.execPath(), {
    args: ["eval", "--unsafely-ignore-certificate-errors", script],
    timeoutMs: TIMEOUT_MS,
  }).catch(() => undefined);
  return result?.stdout ?? "";
}

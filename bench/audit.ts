// SPDX-License-Identifier: Apache-2.0
/** Counts a user's writes in the API server's audit log. */

/**
 * Number of writes by `verb resource[/subresource]`, e.g. "create pods"; failed ones under "failed
 * create pods".
 */
export type WriteCounts = Map<string, number>;

interface AuditEvent {
  stage: string;
  verb: string;
  user?: { username?: string };
  objectRef?: { resource?: string; subresource?: string };
  responseStatus?: { code?: number };
}

const WRITES = new Set([
  "create",
  "update",
  "patch",
  "delete",
  "deletecollection",
]);

/**
 * Counts the writes of one user from a byte offset to the end of the log.
 * Access reviews and lease renewals are writes too.
 */
export async function countWrites(
  log: string,
  options: { user: string; from?: number },
): Promise<{ counts: WriteCounts; end: number }> {
  const bytes = await Deno.readFile(log);
  const text = new TextDecoder().decode(bytes.subarray(options.from ?? 0));
  const counts: WriteCounts = new Map();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const event = JSON.parse(line) as AuditEvent;
    if (
      event.stage !== "ResponseComplete" ||
      event.user?.username !== options.user || !WRITES.has(event.verb)
    ) continue;
    const { resource = "?", subresource } = event.objectRef ?? {};
    const failed = (event.responseStatus?.code ?? 0) >= 300 ? "failed " : "";
    const kind = `${failed}${event.verb} ${resource}${
      subresource ? `/${subresource}` : ""
    }`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return { counts, end: bytes.length };
}

// SPDX-License-Identifier: Apache-2.0
/** The last packet on a link that one side ends on purpose. */
import { type Clock, SYSTEM_CLOCK, waitAtMost } from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import {
  encodeControl,
  encodeMessage,
  EnvelopeKind,
  GoodbyeSchema,
} from "../wire/mod.ts";

/** Upper bound of the reason in a GOODBYE, in characters. */
const MAX_REASON_LENGTH = 300;
/** How long a link may take to accept a GOODBYE, in milliseconds. */
const SEND_MS = 500;

/** Returns the payload of a GOODBYE; a longer reason is cut. */
export function toGoodbye(
  { reason, instanceEnds }: { reason: string; instanceEnds: boolean },
): Uint8Array {
  return encodeMessage(GoodbyeSchema, {
    reason: reason.slice(0, MAX_REASON_LENGTH),
    instanceEnds,
  });
}

/**
 * Ends a link on which no session runs: sends a GOODBYE with the reason, for over a broker closing
 * is not visible otherwise, and closes the link. Never rejects.
 */
export async function leaveLink(
  link: Link,
  { reason, clock = SYSTEM_CLOCK }: { reason: string; clock?: Clock },
): Promise<void> {
  const payload = toGoodbye({ reason, instanceEnds: false });
  const packet = encodeControl(EnvelopeKind.GOODBYE, payload);
  if (packet.length <= link.maxPacketBytes) {
    // A link that has ended or accepts nothing is only closed.
    const sent = link.send(packet).catch(() => {});
    await waitAtMost(sent, { timeoutMs: SEND_MS, clock });
  }
  link.close(reason);
}

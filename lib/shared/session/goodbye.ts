// SPDX-License-Identifier: Apache-2.0
/** The last packet on a link that one side closes, on purpose or because of an error. */
import {
  type Clock,
  SYSTEM_CLOCK,
  toSafeText,
  waitAtMost,
} from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import {
  decodeMessage,
  encodeControl,
  encodeMessage,
  EnvelopeKind,
  GoodbyeSchema,
} from "../wire/mod.ts";

/** Upper bound of the reason in a GOODBYE, in characters. */
const MAX_REASON_LENGTH = 300;
/** How long a link may take to accept a GOODBYE, in milliseconds. */
const SEND_MS = 500;

/** Content of a GOODBYE. */
export interface GoodbyeContent {
  /** A sentence of the peer, without control characters. */
  reason: string;
  /** Whether the peer's streams will not be resumed. */
  instanceEnds: boolean;
}

/** Returns the payload of a GOODBYE; a longer reason is cut. */
export function encodeGoodbye(
  { reason, instanceEnds }: GoodbyeContent,
): Uint8Array {
  return encodeMessage(GoodbyeSchema, {
    reason: reason.slice(0, MAX_REASON_LENGTH),
    instanceEnds,
  });
}

/**
 * Decodes the payload of a GOODBYE. A longer reason is cut, for it becomes part of log lines and
 * conditions.
 * @throws {AranyaError} code "invalid" when it can't be decoded
 */
export function decodeGoodbye(payload: Uint8Array): GoodbyeContent {
  const { reason, instanceEnds } = decodeMessage(GoodbyeSchema, payload);
  return {
    reason: toSafeText(reason, { maxLength: MAX_REASON_LENGTH }),
    instanceEnds,
  };
}

/**
 * Ends a link on which no session runs: sends a GOODBYE with the reason, for over a broker closing
 * is not visible otherwise, and closes the link. Never rejects.
 */
export async function closeWithGoodbye(
  link: Link,
  { reason, clock = SYSTEM_CLOCK }: { reason: string; clock?: Clock },
): Promise<void> {
  const payload = encodeGoodbye({ reason, instanceEnds: false });
  const packet = encodeControl(EnvelopeKind.GOODBYE, payload);
  if (packet.length <= link.maxPacketBytes) {
    // A link that has ended or accepts nothing is only closed.
    const sent = link.send(packet).catch(() => {});
    await waitAtMost(sent, { timeoutMs: SEND_MS, clock });
  }
  link.close(reason);
}

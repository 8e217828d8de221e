// SPDX-License-Identifier: Apache-2.0
/** The last packet on a link that one side closes, on purpose or because of an error. */
import { type Clock, SYSTEM_CLOCK, waitAtMost } from "../base/mod.ts";
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
const CONTROL_CHARACTERS = /\p{Cc}/gu;
/** How long a link may take to accept a GOODBYE, in milliseconds. */
const SEND_MS = 500;

/** Content of a GOODBYE. */
export interface Farewell {
  /** A sentence of the peer, without control characters. */
  reason: string;
  /** Whether the peer's streams will not be resumed. */
  instanceEnds: boolean;
}

/** Returns the payload of a GOODBYE; a longer reason is cut. */
export function toGoodbye({ reason, instanceEnds }: Farewell): Uint8Array {
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
export function fromGoodbye(payload: Uint8Array): Farewell {
  const { reason, instanceEnds } = decodeMessage(GoodbyeSchema, payload);
  const text = reason.slice(0, MAX_REASON_LENGTH);
  return { reason: text.replaceAll(CONTROL_CHARACTERS, " "), instanceEnds };
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

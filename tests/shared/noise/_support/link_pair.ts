// SPDX-License-Identifier: Apache-2.0
/** Two ends of a link in memory. */
import { AranyaError, defined } from "../../../../lib/shared/base/mod.ts";
import type { Link, LinkEnd } from "../../../../lib/shared/link/mod.ts";
import { Pipe } from "../../../../dev/base/pipe.ts";

/** Returns what is delivered in place of a packet: nothing, a changed one, or several. */
export type Tamper = (packet: Uint8Array) => Uint8Array[];

/** Options of {@linkcode createLinkPair}. */
export interface LinkPairOptions {
  /** Changes packets from the initiator to the responder. @default none */
  tamper?: Tamper;
  /** @default 65536 */
  maxPacketBytes?: number;
  /** False: as on a broker, others may send, too. @default true */
  isExclusive?: boolean;
}

/** The ends of one link. */
export interface LinkPair {
  /** Its peer is "responder:1". */
  initiator: Link;
  /** Its peer is "initiator:1". */
  responder: Link;
  /** Ends whose peer was marked as authenticated. */
  authenticated: ("initiator" | "responder")[];
}

/** Creates both ends. Closing one closes the other with the same reason. */
export function createLinkPair(options: LinkPairOptions = {}): LinkPair {
  const { tamper, maxPacketBytes = 65_536, isExclusive = true } = options;
  const toResponder = new Pipe<Uint8Array>({ capacity: 64 });
  const toInitiator = new Pipe<Uint8Array>({ capacity: 64 });
  const closed = Promise.withResolvers<LinkEnd>();
  const close = (reason: string) => {
    toResponder.end();
    toInitiator.end();
    closed.resolve({ reason });
  };
  const shared = {
    maxPacketBytes,
    isExclusive,
    closed: closed.promise,
    close,
  };
  const authenticated: LinkPair["authenticated"] = [];
  return {
    authenticated,
    initiator: {
      ...shared,
      markAuthenticated: () => void authenticated.push("initiator"),
      peer: "responder:1",
      packets: toInitiator.readable,
      send: (packet) => writeTo(toResponder, packet, defined({ tamper })),
    },
    responder: {
      ...shared,
      markAuthenticated: () => void authenticated.push("responder"),
      peer: "initiator:1",
      packets: toResponder.readable,
      send: (packet) => writeTo(toInitiator, packet),
    },
  };
}

async function writeTo(
  pipe: Pipe<Uint8Array>,
  packet: Uint8Array,
  { tamper = (unchanged) => [unchanged] }: { tamper?: Tamper } = {},
): Promise<void> {
  for (const delivered of tamper(packet)) {
    await pipe.write(delivered).catch((cause) => {
      throw new AranyaError("unavailable", "Cannot send packet: link closed", {
        cause,
      });
    });
  }
}

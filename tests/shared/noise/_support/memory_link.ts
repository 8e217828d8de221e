// SPDX-License-Identifier: Apache-2.0
/** Two ends of a link within this process, for tests of what stands on links. */
import { AranyaError } from "../../../../lib/shared/base/mod.ts";
import type { Link, LinkEnd } from "../../../../lib/shared/link/mod.ts";
import { Pipe } from "../../../../dev/base/pipe.ts";

/** What a test may do to a packet on its way: change it, drop it (none) or send more than one. */
export type Meddle = (packet: Uint8Array) => Uint8Array[];

/** Makes both ends. `meddle` sees what goes from the first to the second end. */
export function createLinkPair(
  options: { meddle?: Meddle; maxPacketBytes?: number } = {},
): [Link, Link] {
  const forth = new Pipe<Uint8Array>({ capacity: 64 });
  const back = new Pipe<Uint8Array>({ capacity: 64 });
  const ended = Promise.withResolvers<LinkEnd>();
  const close = (reason: string) => {
    forth.end();
    back.end();
    ended.resolve({ reason });
  };
  const toEnd = (
    peer: string,
    way: { out: Pipe<Uint8Array>; in: Pipe<Uint8Array>; meddle?: Meddle },
  ): Link => ({
    peer,
    maxPacketBytes: options.maxPacketBytes ?? 65_536,
    packets: way.in.readable,
    closed: ended.promise,
    close,
    async send(packet) {
      for (const piece of way.meddle?.(packet) ?? [packet]) {
        await way.out.write(piece).catch((cause) => {
          throw new AranyaError("unavailable", `Cannot send: closed`, {
            cause,
          });
        });
      }
    },
  });
  return [
    toEnd("memory:2", {
      out: forth,
      in: back,
      ...(options.meddle ? { meddle: options.meddle } : {}),
    }),
    toEnd("memory:1", { out: back, in: forth }),
  ];
}

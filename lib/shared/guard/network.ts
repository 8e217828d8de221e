// SPDX-License-Identifier: Apache-2.0
/** Networks of peers, which limits are shared by. */

/** Hexadecimal groups of an IPv6 address, and how many of them name its /64 network. */
const IPV6_GROUP_COUNT = 8;
const IPV6_NETWORK_GROUP_COUNT = 4;

/** Returns "address:port" of the other end of a socket, which names it among open ones. */
export function toPeer(
  { remoteAddress, remotePort }: {
    remoteAddress?: string | undefined;
    remotePort?: number | undefined;
  },
): string {
  return `${remoteAddress}:${remotePort}`;
}

/**
 * Returns the network that a peer ("address:port") belongs to, for limits that clients share: an
 * IPv4 address, or the /64 network of an IPv6 address, of which one client may have all addresses.
 */
export function toNetwork(peer: string): string {
  const address = peer.replace(/:\d+$/, "").replace(/^\[|\]$/g, "")
    .replace(/^::ffff:(?=\d+\.)/i, "");
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const toGroups = (text: string) => text === "" ? [] : text.split(":");
  const first = toGroups(head);
  const last = toGroups(tail ?? "");
  const gap = tail === undefined
    ? []
    : Array<string>(Math.max(0, IPV6_GROUP_COUNT - first.length - last.length))
      .fill("0");
  return [...first, ...gap, ...last].slice(0, IPV6_NETWORK_GROUP_COUNT)
    .join(":");
}

// SPDX-License-Identifier: Apache-2.0
/** Arithmetic on IP address ranges in CIDR notation. */
import { isIPv4, isIPv6 } from "node:net";

/** A range of addresses of one family; both ends are included. */
export interface AddressRange {
  family: 4 | 6;
  first: bigint;
  last: bigint;
}

/**
 * Parses a range such as "10.200.7.0/26" or "fd00::/64"; host bits are cleared.
 * Returns undefined for any other text.
 */
export function parseCidr(text: string): AddressRange | undefined {
  const [address = "", prefix = ""] = text.split("/");
  const prefixLength = Number(prefix);
  const family = isIPv4(address) ? 4 : isIPv6(address) ? 6 : undefined;
  const width = family === 4 ? 32 : 128;
  if (!family || !/^\d+$/.test(prefix) || prefixLength > width) {
    return undefined;
  }
  const value = family === 4 ? parseIPv4(address) : parseIPv6(address);
  const size = 1n << BigInt(width - prefixLength);
  const first = value - (value % size);
  return { family, first, last: first + size - 1n };
}

/** Returns whether two ranges have an address in common. */
export function overlaps(left: AddressRange, right: AddressRange): boolean {
  return left.family === right.family && left.first <= right.last &&
    right.first <= left.last;
}

/** Formats the number of an IPv4 address, e.g. 0x0a000001n as "10.0.0.1". */
export function formatIPv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
}

function parseIPv4(address: string): bigint {
  return address.split(".").reduce(
    (sum, part) => (sum << 8n) | BigInt(part),
    0n,
  );
}

function parseIPv6(address: string): bigint {
  // The last 32 bits may be written as an IPv4 address (RFC 4291, section 2.2).
  const hex = address.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a, b, c, d) =>
      `${(Number(a) << 8 | Number(b)).toString(16)}:${
        (Number(c) << 8 | Number(d)).toString(16)
      }`,
  );
  const [head = "", tail] = hex.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].reduce(
    (sum, part) => (sum << 16n) | BigInt(parseInt(part, 16)),
    0n,
  );
}

// SPDX-License-Identifier: Apache-2.0
/** Assigns each device a range of pod addresses and finds overlaps with ranges of others. */
import { defined } from "../../shared/base/mod.ts";
import type { AddressBook, PodRange } from "../device/mod.ts";
import { type AddressRange, formatIPv4, overlaps, parseCidr } from "./cidr.ts";

/** First address of the pool that ranges are picked from: 100.64.0.0/10 (RFC 6598). */
const POOL_START = 0x64400000n;
/** Host bits of a picked range: a /26, 64 addresses. */
const PICKED_HOST_BITS = 6n;
/** Number of /26 ranges in a /10. */
const POOL_SIZE = 1 << 16;

/** Options of {@linkcode PodAddressBook}. */
export interface PodAddressBookOptions {
  /**
   * Seed of the picks; operators of one cluster use different ones (their namespaces), so that they
   * rarely pick the same range before they know of each other's.
   */
  seed: string;
}

interface Claim {
  cidr: string;
  range: AddressRange;
}

/**
 * The pod ranges of all devices of this operator, and the ranges of others to keep clear of.
 *
 * Kept in memory only: what has to survive a restart is `status.podCIDR` of each EdgeDevice, which
 * comes back as `previous`.
 */
export class PodAddressBook implements AddressBook {
  readonly #seed: string;
  readonly #index = new RangeIndex();
  readonly #claims = new Map<string, Claim>();

  constructor({ seed }: PodAddressBookOptions) {
    this.#seed = seed;
  }

  /** See {@linkcode AddressBook.claim}. */
  claim(
    device: string,
    { assigned, previous }: Parameters<AddressBook["claim"]>[1],
  ): PodRange | undefined {
    const held = this.#claims.get(device);
    if (held && held.cidr === (assigned ?? held.cidr)) {
      // Picked ranges never overlap. An assigned one may, and may stop doing so.
      return toPodRange(
        held,
        assigned ? this.#index.findOverlap(device, held.range) : undefined,
      );
    }
    const desired = assigned ?? previous;
    const range = desired === undefined ? undefined : parseCidr(desired);
    const overlapping = range && this.#index.findOverlap(device, range);
    const claim = range && desired !== undefined && (assigned || !overlapping)
      ? { cidr: desired, range }
      : this.#pick(device);
    if (!claim) {
      this.release(device);
      return undefined;
    }
    this.#claims.set(device, claim);
    this.#index.set(device, claim.range);
    return toPodRange(claim, assigned ? overlapping : undefined);
  }

  release(device: string): void {
    this.#claims.delete(device);
    this.#index.set(device, undefined);
  }

  /**
   * Records the range of an owner outside of this operator, e.g. "node worker-1"; undefined or an
   * invalid range removes it.
   */
  setForeignRange(owner: string, cidr: string | undefined): void {
    this.#index.set(owner, cidr === undefined ? undefined : parseCidr(cidr));
  }

  /**
   * Picks the first free /26 from a place that depends on the name, so that it mostly stays;
   * undefined when none is free.
   */
  #pick(device: string): Claim | undefined {
    let place = hash(`${this.#seed}/${device}`) % POOL_SIZE;
    for (let attempt = 0; attempt < POOL_SIZE; attempt++) {
      const cidr = toPoolCidr(place);
      const range = parseCidr(cidr);
      if (range && this.#index.findOverlap(device, range) === undefined) {
        return { cidr, range };
      }
      place = (place + 1) % POOL_SIZE;
    }
    return undefined;
  }
}

function toPodRange(
  { cidr }: Claim,
  overlapsWith: string | undefined,
): PodRange {
  return { cidr, ...defined({ overlapsWith }) };
}

function toPoolCidr(place: number): string {
  return `${formatIPv4(POOL_START + (BigInt(place) << PICKED_HOST_BITS))}/26`;
}

/** Key of the bucket for ranges that span more than {@linkcode MAX_BUCKETS} buckets. */
const WIDE = "wide";
const MAX_BUCKETS = 16n;

/**
 * Ranges by owner, with a lookup whose cost doesn't grow with their number: each range is in the
 * buckets that it touches. The few wide ranges are in one bucket that every lookup reads.
 */
class RangeIndex {
  readonly #ranges = new Map<string, AddressRange>();
  readonly #buckets = new Map<string, Map<string, AddressRange>>();

  /** Sets or removes the range of an owner. */
  set(owner: string, range: AddressRange | undefined): void {
    const previous = this.#ranges.get(owner);
    for (const key of previous ? bucketsOf(previous) : []) {
      this.#buckets.get(key)?.delete(owner);
    }
    this.#ranges.delete(owner);
    if (!range) return;
    this.#ranges.set(owner, range);
    for (const key of bucketsOf(range)) {
      const bucket = this.#buckets.get(key) ?? new Map();
      this.#buckets.set(key, bucket.set(owner, range));
    }
  }

  /** Returns an owner other than this one whose range overlaps the range. */
  findOverlap(owner: string, range: AddressRange): string | undefined {
    const keys = bucketsOf(range);
    const isWide = keys.includes(WIDE);
    for (const key of isWide ? [WIDE] : [...keys, WIDE]) {
      // A wide range may overlap any other one.
      const candidates = isWide ? this.#ranges : this.#buckets.get(key) ?? [];
      for (const [other, held] of candidates) {
        if (other !== owner && overlaps(held, range)) return other;
      }
    }
    return undefined;
  }
}

/** Returns the keys of a range's buckets: one for each 2^12 IPv4 or 2^72 IPv6 addresses. */
function bucketsOf({ family, first, last }: AddressRange): string[] {
  const shift = family === 4 ? 12n : 72n;
  const firstBucket = first >> shift;
  const lastBucket = last >> shift;
  if (lastBucket - firstBucket >= MAX_BUCKETS) return [WIDE];
  const keys: string[] = [];
  for (let bucket = firstBucket; bucket <= lastBucket; bucket++) {
    keys.push(`${family}/${bucket}`);
  }
  return keys;
}

/** Returns the 32-bit FNV-1a hash of a text's UTF-16 units. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

// SPDX-License-Identifier: Apache-2.0
/** Ranges of the devices' pod addresses: picked from 100.64.0.0/10, and compared with those that others gave. */
import { isIPv4, isIPv6 } from "node:net";
import {
  asAranyaError,
  type Clock,
  type Logger,
} from "../../shared/base/mod.ts";
import { type AddressBook, ROLE, ROLE_LABEL } from "../device/mod.ts";
import { type KubeClient, NODE } from "../kube/mod.ts";

const PICK_BASE = 0x64400000n; // 100.64.0.0
const PICK_BITS = 6n; // a /26
const PICK_COUNT = 1 << 16; // of them in a /10

/** A range of addresses; `first` and `last` are included. */
export interface AddressRange {
  family: 4 | 6;
  first: bigint;
  last: bigint;
}

/** Options of {@linkcode createAddressBook}. */
export interface AddressBookOptions {
  /** Text that differs between operators of one cluster, so that they begin at different places. */
  seed: string;
}

/** A book that also knows of ranges which are not ours. */
export interface OperatorAddressBook extends AddressBook {
  /** Notes a range of somebody else's device; undefined: it has none any more. */
  noteOther(owner: string, cidr: string | undefined): void;
}

/** Makes a book; it forgets with the process, what lasts is in the devices' status. */
export function createAddressBook(
  { seed }: AddressBookOptions,
): OperatorAddressBook {
  const index = new RangeIndex();
  const claims = new Map<string, { cidr: string; range: AddressRange }>();

  function pick(device: string): { cidr: string; range: AddressRange } {
    let place = hash(`${seed}/${device}`) % PICK_COUNT;
    for (let tries = 0; tries < PICK_COUNT; tries++) {
      const cidr = toPickedCidr(place);
      const range = parseCidr(cidr);
      if (range && index.findOverlap(device, range) === undefined) {
        return { cidr, range };
      }
      place = (place + 1) % PICK_COUNT;
    }
    throw new RangeError("Cannot pick a pod range: 100.64.0.0/10 is used up");
  }

  return {
    claim(device, { fixed, former }) {
      const held = claims.get(device);
      if (held && held.cidr === (fixed ?? held.cidr)) {
        // What we picked can't overlap; what was given may, and may stop to.
        const overlaps = fixed && index.findOverlap(device, held.range);
        return withOverlap(held, overlaps);
      }
      const wanted = fixed ?? former;
      const range = wanted === undefined ? undefined : parseCidr(wanted);
      const clash = range && index.findOverlap(device, range);
      const claim = range && wanted !== undefined && (fixed || !clash)
        ? { cidr: wanted, range }
        : pick(device);
      claims.set(device, claim);
      index.set(device, claim.range);
      return withOverlap(claim, fixed ? clash : undefined);
    },
    release(device) {
      claims.delete(device);
      index.set(device, undefined);
    },
    noteOther(owner, cidr) {
      index.set(owner, cidr === undefined ? undefined : parseCidr(cidr));
    },
  };
}

/** Ranges by their place, so that a look costs no more with more devices. */
class RangeIndex {
  readonly #ranges = new Map<string, AddressRange>();
  readonly #buckets = new Map<string, Map<string, AddressRange>>();

  set(owner: string, range: AddressRange | undefined): void {
    const before = this.#ranges.get(owner);
    for (const key of before ? bucketsOf(before) : []) {
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

  /** Who else has a range with an address of this one. */
  findOverlap(owner: string, range: AddressRange): string | undefined {
    for (const key of new Set([...bucketsOf(range), WIDE])) {
      const bucket = key === WIDE && bucketsOf(range).includes(WIDE)
        ? this.#ranges
        : this.#buckets.get(key) ?? [];
      for (const [other, held] of bucket) {
        if (other !== owner && overlap(held, range)) return other;
      }
    }
    return undefined;
  }
}

/** Ranges that span many buckets; there are few, and each is compared with all. */
const WIDE = "wide";
const MAX_BUCKETS = 16n;

/** A bucket is 2^12 IPv4 addresses, 2^72 IPv6 ones. */
function bucketsOf({ family, first, last }: AddressRange): string[] {
  const shift = family === 4 ? 12n : 72n;
  const from = first >> shift;
  const to = last >> shift;
  if (to - from >= MAX_BUCKETS) return [WIDE];
  const keys: string[] = [];
  for (let bucket = from; bucket <= to; bucket++) {
    keys.push(`${family}/${bucket}`);
  }
  return keys;
}

function withOverlap(
  { cidr }: { cidr: string },
  overlaps: string | undefined,
): { cidr: string; overlaps?: string } {
  return overlaps === undefined ? { cidr } : { cidr, overlaps };
}

/** Whether two ranges have an address in common. */
export function overlap(left: AddressRange, right: AddressRange): boolean {
  return left.family === right.family && left.first <= right.last &&
    right.first <= left.last;
}

/** First and last address of a range; undefined when the text is none. */
export function parseCidr(text: string): AddressRange | undefined {
  const [address = "", prefix = ""] = text.split("/");
  const bits = Number(prefix);
  const family = isIPv4(address) ? 4 : isIPv6(address) ? 6 : undefined;
  const width = family === 4 ? 32 : 128;
  if (!family || !/^\d+$/.test(prefix) || bits > width) return undefined;
  const value = family === 4 ? toNumber4(address) : toNumber6(address);
  const size = 1n << BigInt(width - bits);
  const first = value - (value % size);
  return { family, first, last: first + size - 1n };
}

function toPickedCidr(index: number): string {
  const value = Number(PICK_BASE + (BigInt(index) << PICK_BITS));
  const bytes = [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
  return `${bytes.join(".")}/26`;
}

function toNumber4(address: string): bigint {
  return address.split(".").reduce(
    (sum, part) => (sum << 8n) | BigInt(part),
    0n,
  );
}

function toNumber6(address: string): bigint {
  const plain = address.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a, b, c, d) =>
      `${(Number(a) << 8 | Number(b)).toString(16)}:${
        (Number(c) << 8 | Number(d)).toString(16)
      }`,
  );
  const [head = "", tail] = plain.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].reduce(
    (sum, part) => (sum << 16n) | BigInt(parseInt(part, 16)),
    0n,
  );
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

/** Options of {@linkcode createClusterRanges}. */
export interface ClusterRangesOptions {
  client: KubeClient;
  book: Pick<OperatorAddressBook, "noteOther">;
  log: Logger;
  clock: Clock;
  /** Between two looks, in milliseconds. @default ten minutes */
  intervalMs?: number;
}

/** See {@linkcode createClusterRanges}. */
export interface ClusterRanges {
  /** Reads them once. Rejects only when it is aborted: without them ranges are picked all the same. */
  refresh(signal: AbortSignal): Promise<void>;
  /** Reads them again and again, until it is aborted. */
  follow(signal: AbortSignal): Promise<void>;
  /** Some Node was given a range by the cluster; told to people once. */
  noteGiven(): void;
}

const PAGE_SIZE = 500;

/** Makes a follower; nothing is read yet. */
export function createClusterRanges(
  options: ClusterRangesOptions,
): ClusterRanges {
  const { client, book, log, clock, intervalMs = 600_000 } = options;
  let known = new Set<string>();
  let isTold = false;

  function noteGiven(): void {
    if (isTold) return;
    isTold = true;
    log.warn(
      "the cluster gives each node a pod range: when they are used up (a /16 cut into /24 lasts for 256 nodes), further nodes get none and stay without network; give devices' operators a cluster without --allocate-node-cidrs, or a wide enough range",
    );
  }

  async function read(signal: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    let page: string | undefined;
    do {
      const { items, metadata } = await client.list(NODE, {
        labelSelector: `${ROLE_LABEL}!=${ROLE}`,
        limit: PAGE_SIZE,
        // From the API server's memory: a node that is a moment younger is seen the next time.
        ...(page === undefined ? { resourceVersion: "0" } : { continue: page }),
        signal,
      });
      for (const { metadata: { name }, spec } of items) {
        const ranges = spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);
        for (const [place, cidr] of ranges.entries()) {
          const owner = `node ${name}${place === 0 ? "" : ` (${place + 1})`}`;
          seen.add(owner);
          book.noteOther(owner, cidr);
        }
      }
      page = metadata.continue;
    } while (page !== undefined && page !== "");
    for (const owner of known) {
      if (!seen.has(owner)) book.noteOther(owner, undefined);
    }
    known = seen;
    if (seen.size > 0) noteGiven();
  }

  async function refresh(signal: AbortSignal): Promise<void> {
    try {
      await read(signal);
    } catch (error) {
      signal.throwIfAborted();
      log.warn("nodes' pod ranges were not read, devices' may overlap them", {
        error: asAranyaError(error, "Cannot read nodes' pod ranges"),
      });
    }
  }

  return {
    refresh,
    noteGiven,
    async follow(signal) {
      for (;;) {
        await clock.sleep(intervalMs, { signal });
        await refresh(signal);
      }
    },
  };
}

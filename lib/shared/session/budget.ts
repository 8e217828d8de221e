// SPDX-License-Identifier: Apache-2.0
/**
 * How much may be under way on a link: about as much as it carries in half a second beyond its shortest round trip, so that what is urgent
 * never waits long behind what is bulky. The rate is measured by acknowledgements; the budget at most doubles in a round trip.
 *
 * Rate samples are taken as BBR takes them (draft-cardwell-iccrg-bbr-congestion-control, "delivery rate estimation"): what was
 * delivered between a packet's sending and its acknowledgement, over that time.
 */
import type { Clock } from "../base/mod.ts";

/** Never less may be under way, in bytes. */
export const MIN_BUDGET_BYTES = 4 * 1024;
/** Never more may be under way, in bytes. */
export const MAX_BUDGET_BYTES = 16 * 1024 * 1024;
/** No packet of bulk is cut larger, whatever the link takes; room for 64 KiB and a header. */
export const MAX_CUT_BYTES = 64 * 1024 + 64;
const MIN_CUT_BYTES = 512;
const FIRST_BUDGET_BYTES = 8 * 1024;
const FIRST_CUT_BYTES = 1024;
/** Time that bulk may queue in the transport. */
const QUEUE_MS = 500;
/** One packet takes no longer on the link. */
const PACKET_MS = 100;
/** A budget holds at least this many packets. */
const PACKETS_PER_BUDGET = 8;
/** Time in which a former, higher rate is forgotten by two thirds. */
const RATE_MEMORY_MS = 500;
/** After this time without a shorter one, the round trip is measured anew, with little under way. */
const ROUND_TRIP_AGE_MS = 10_000;
/** The budget is divided by this while the round trip is measured anew. */
const PROBE_SHARE = 8;
const MIN_SAMPLE_MS = 1;

interface Departure {
  /** All that was sent up to this packet, in bytes. */
  sentBytes: number;
  sentMs: number;
  /** What was acknowledged when it left, and when that was. */
  ackedBytes: number;
  ackedMs: number;
  /** Whether the budget held the sender back at that time: only then a low rate is the link's. */
  limited: boolean;
}

/** The budget of one link. */
export class LinkBudget {
  readonly #clock: Clock;
  readonly #departures: Departure[] = [];
  #first = 0;
  #sentBytes = 0;
  #ackedBytes = 0;
  #ackedMs: number;
  #budgetBytes = FIRST_BUDGET_BYTES;
  #bytesPerMs = 0;
  /** Whether the budget was ever used up: before that the rate is the sender's, not the link's. */
  #tried = false;
  #roundTripMs = Infinity;
  #roundTripAtMs: number;
  /** Set while the round trip is measured anew: packets sent after this many bytes tell it. */
  #probeBytes: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#ackedMs = this.#roundTripAtMs = clock.monotonicMs();
  }

  /** Sent and not acknowledged. */
  get inFlightBytes(): number {
    return this.#sentBytes - this.#ackedBytes;
  }

  /** How much may be under way now. */
  get budgetBytes(): number {
    return this.#probeBytes === undefined
      ? this.#budgetBytes
      : Math.max(2 * this.packetBytes, this.#budgetBytes / PROBE_SHARE);
  }

  /** Measured; 0 before the first acknowledgement. */
  get bytesPerSecond(): number {
    return this.#bytesPerMs * 1_000;
  }

  /** The shortest of late; 0 before the first acknowledgement. */
  get roundTripMs(): number {
    return this.#roundTripMs === Infinity ? 0 : this.#roundTripMs;
  }

  /** How large a packet of bulk may be. */
  get packetBytes(): number {
    if (!this.#tried) return FIRST_CUT_BYTES;
    return Math.floor(clamp(
      Math.min(
        this.#bytesPerMs * PACKET_MS,
        this.#budgetBytes / PACKETS_PER_BUDGET,
      ),
      { min: MIN_CUT_BYTES, max: MAX_CUT_BYTES },
    ));
  }

  /** Tells that a packet of this many bytes leaves. */
  sent(byteCount: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.inFlightBytes === 0) this.#ackedMs = nowMs;
    this.#sentBytes += byteCount;
    this.#departures.push({
      sentBytes: this.#sentBytes,
      sentMs: nowMs,
      ackedBytes: this.#ackedBytes,
      ackedMs: this.#ackedMs,
      limited: this.inFlightBytes >= this.budgetBytes * 0.75,
    });
  }

  /** Tells what the peer has received of this link in all. More than was sent, or less than before, means nothing. */
  acknowledged(linkBytes: number): void {
    if (linkBytes <= this.#ackedBytes || linkBytes > this.#sentBytes) return;
    const nowMs = this.#clock.monotonicMs();
    const newBytes = linkBytes - this.#ackedBytes;
    this.#ackedBytes = linkBytes;
    const departure = this.#takeDeparture(linkBytes);
    if (departure) {
      this.#measureRoundTrip(departure, nowMs);
      this.#measureRate(departure, nowMs);
      if (departure.limited) this.#resize(newBytes);
    }
    this.#ackedMs = nowMs;
  }

  /** The last packet that is now acknowledged in full. */
  #takeDeparture(linkBytes: number): Departure | undefined {
    let last: Departure | undefined;
    for (;;) {
      const next = this.#departures[this.#first];
      if (!next || next.sentBytes > linkBytes) break;
      last = next;
      this.#first++;
    }
    if (this.#first > 64 && this.#first * 2 > this.#departures.length) {
      this.#departures.splice(0, this.#first);
      this.#first = 0;
    }
    return last;
  }

  #measureRoundTrip(departure: Departure, nowMs: number): void {
    const sampleMs = nowMs - departure.sentMs;
    const probing = this.#probeBytes !== undefined;
    const probed = this.#probeBytes !== undefined &&
      departure.sentBytes > this.#probeBytes;
    if (sampleMs <= this.#roundTripMs || probed) {
      this.#roundTripMs = sampleMs;
      this.#roundTripAtMs = nowMs;
      this.#probeBytes = undefined;
    } else if (
      !probing && departure.limited &&
      nowMs - this.#roundTripAtMs > ROUND_TRIP_AGE_MS
    ) {
      this.#probeBytes = this.#sentBytes;
    }
  }

  #measureRate(departure: Departure, nowMs: number): void {
    const sample = (this.#ackedBytes - departure.ackedBytes) /
      Math.max(MIN_SAMPLE_MS, nowMs - departure.ackedMs);
    if (this.#bytesPerMs === 0) this.#bytesPerMs = sample;
    else if (sample >= this.#bytesPerMs) {
      this.#bytesPerMs += (sample - this.#bytesPerMs) / 2;
    } else if (departure.limited) {
      const weight = 1 - Math.exp((this.#ackedMs - nowMs) / RATE_MEMORY_MS);
      this.#bytesPerMs += (sample - this.#bytesPerMs) * weight;
    }
  }

  #resize(newBytes: number): void {
    this.#tried = true;
    const wanted = clamp(
      this.#bytesPerMs * (QUEUE_MS + 1.25 * this.#roundTripMs),
      { min: MIN_BUDGET_BYTES, max: MAX_BUDGET_BYTES },
    );
    this.#budgetBytes = Math.min(wanted, this.#budgetBytes + newBytes);
  }
}

function clamp(value: number, { min, max }: { min: number; max: number }) {
  return Math.min(max, Math.max(min, value));
}

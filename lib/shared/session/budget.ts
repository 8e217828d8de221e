// SPDX-License-Identifier: Apache-2.0
/** How many bytes may be in flight on a link. */
import type { Clock } from "../base/mod.ts";

/** Bounds of the budget, in bytes. */
export const MIN_BUDGET_BYTES = 4 * 1024;
const MAX_BUDGET_BYTES = 16 * 1024 * 1024;
/** Bounds of the packet size, in bytes. The upper one has room for 64 KiB and a header. */
const MIN_PACKET_BYTES = 512;
const MAX_PACKET_BYTES = 64 * 1024 + 64;
/** Values before anything was measured, in bytes. */
const INITIAL_BUDGET_BYTES = 8 * 1024;
const INITIAL_PACKET_BYTES = 1024;
/** How long packets may queue in the transport, in milliseconds. */
const QUEUE_MS = 500;
/** Upper bound of the time that one packet occupies the link, in milliseconds. */
const PACKET_MS = 100;
/** A budget holds at least this many packets. */
const PACKETS_PER_BUDGET = 8;
/** Time constant with which the measured rate follows a lower one, in milliseconds. */
const RATE_DECAY_MS = 500;
/** The lowest round-trip time is measured again when it is this old, in milliseconds. */
const ROUND_TRIP_AGE_MS = 10_000;
/** The budget is divided by this while the round trip is measured again: queues must be empty. */
const PROBE_DIVISOR = 8;
/** Part of the budget that must be in flight for the budget to count as the limit of the rate. */
const LIMITED_SHARE = 0.75;
const MIN_SAMPLE_MS = 1;
/** Number of acknowledged packets from which on `#inFlight` is compacted. */
const COMPACT_COUNT = 64;

/** A sent packet, with the state of the link at that time. */
interface SentRecord {
  /** All bytes sent on this link, including this packet. */
  sentBytes: number;
  sentMs: number;
  /** All bytes acknowledged by then, and when the last of them were. */
  ackedBytes: number;
  ackedMs: number;
  /** Whether the budget limited the rate; if not, a low rate is that of the data source. */
  isLimited: boolean;
}

/** What the peer has acknowledged for the first time. */
export interface NewlyAcknowledged {
  readonly byteCount: number;
  /** Packets of which it has everything now. */
  readonly packetCount: number;
}

/**
 * The budget of one link: as many unacknowledged bytes as it carries in half a second beyond its
 * lowest round trip. Hence a packet of high priority never waits long behind others. The rate is
 * measured from acknowledgements; the budget at most doubles per round trip.
 *
 * Rate samples are taken as in BBR ("delivery rate estimation",
 * draft-cardwell-iccrg-bbr-congestion-control): the bytes delivered between the sending of a packet
 * and its acknowledgement, divided by that time.
 */
export class LinkBudget {
  readonly #clock: Clock;
  /** Sent packets; those before `#first` are acknowledged and compacted away from time to time. */
  readonly #inFlight: SentRecord[] = [];
  #first = 0;
  #sentBytes = 0;
  #ackedBytes = 0;
  #ackedMs: number;
  #budgetBytes = INITIAL_BUDGET_BYTES;
  #bytesPerMs = 0;
  /** Whether the budget has ever limited the rate; before, nothing is known about the link. */
  #wasLimited = false;
  #roundTripMs = Infinity;
  #roundTripAtMs: number;
  /** While the round trip is measured again: only packets sent after this many bytes count. */
  #probeFromBytes: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#ackedMs = this.#roundTripAtMs = clock.monotonicMs();
  }

  /** Sent and not acknowledged, in bytes. */
  get inFlightBytes(): number {
    return this.#sentBytes - this.#ackedBytes;
  }

  /** Upper bound of `inFlightBytes`. */
  get budgetBytes(): number {
    return this.#probeFromBytes === undefined
      ? this.#budgetBytes
      : Math.max(2 * this.packetBytes, this.#budgetBytes / PROBE_DIVISOR);
  }

  /** Measured rate; 0 before the first acknowledgement. */
  get bytesPerSecond(): number {
    return this.#bytesPerMs * 1_000;
  }

  /**
   * Lowest round-trip time of the recent past, in milliseconds; 0 before the first acknowledgement.
   */
  get roundTripMs(): number {
    return this.#roundTripMs === Infinity ? 0 : this.#roundTripMs;
  }

  /** Upper bound of the size of new packets. */
  get packetBytes(): number {
    if (!this.#wasLimited) return INITIAL_PACKET_BYTES;
    const wantedBytes = Math.min(
      this.#bytesPerMs * PACKET_MS,
      this.#budgetBytes / PACKETS_PER_BUDGET,
    );
    return Math.floor(
      clamp(wantedBytes, { min: MIN_PACKET_BYTES, max: MAX_PACKET_BYTES }),
    );
  }

  /** Counts a packet that is handed to the link. */
  onPacketSent(packetBytes: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.inFlightBytes === 0) this.#ackedMs = nowMs;
    this.#sentBytes += packetBytes;
    this.#inFlight.push({
      sentBytes: this.#sentBytes,
      sentMs: nowMs,
      ackedBytes: this.#ackedBytes,
      ackedMs: this.#ackedMs,
      isLimited: this.inFlightBytes >= this.budgetBytes * LIMITED_SHARE,
    });
  }

  /**
   * Takes in how many bytes of this link the peer has received in total, and returns what of it is
   * new. Numbers above what was sent, or not above the last one, are ignored.
   */
  onAcknowledged(linkBytes: number): NewlyAcknowledged {
    if (linkBytes <= this.#ackedBytes || linkBytes > this.#sentBytes) {
      return { byteCount: 0, packetCount: 0 };
    }
    const nowMs = this.#clock.monotonicMs();
    const newBytes = linkBytes - this.#ackedBytes;
    this.#ackedBytes = linkBytes;
    const { packet, count } = this.#takeAcknowledged(linkBytes);
    if (packet) {
      this.#measureRoundTrip(packet, nowMs);
      this.#measureRate(packet, nowMs);
      if (packet.isLimited) this.#resize(newBytes);
    }
    this.#ackedMs = nowMs;
    return { byteCount: newBytes, packetCount: count };
  }

  /** Removes the packets that are acknowledged completely, and returns the last of them. */
  #takeAcknowledged(
    linkBytes: number,
  ): { packet: SentRecord | undefined; count: number } {
    let last: SentRecord | undefined;
    let count = 0;
    for (;;) {
      const next = this.#inFlight[this.#first];
      if (!next || next.sentBytes > linkBytes) break;
      last = next;
      count++;
      this.#first++;
    }
    if (
      this.#first > COMPACT_COUNT && this.#first * 2 > this.#inFlight.length
    ) {
      this.#inFlight.splice(0, this.#first);
      this.#first = 0;
    }
    return { packet: last, count };
  }

  #measureRoundTrip(packet: SentRecord, nowMs: number): void {
    const sampleMs = nowMs - packet.sentMs;
    const isProbing = this.#probeFromBytes !== undefined;
    const isProbe = this.#probeFromBytes !== undefined &&
      packet.sentBytes > this.#probeFromBytes;
    if (sampleMs <= this.#roundTripMs || isProbe) {
      this.#roundTripMs = sampleMs;
      this.#roundTripAtMs = nowMs;
      this.#probeFromBytes = undefined;
    } else if (
      !isProbing && packet.isLimited &&
      nowMs - this.#roundTripAtMs > ROUND_TRIP_AGE_MS
    ) {
      this.#probeFromBytes = this.#sentBytes;
    }
  }

  #measureRate(packet: SentRecord, nowMs: number): void {
    const sample = (this.#ackedBytes - packet.ackedBytes) /
      Math.max(MIN_SAMPLE_MS, nowMs - packet.ackedMs);
    if (this.#bytesPerMs === 0) this.#bytesPerMs = sample;
    else if (sample >= this.#bytesPerMs) {
      this.#bytesPerMs += (sample - this.#bytesPerMs) / 2;
    } else if (packet.isLimited) {
      const weight = 1 - Math.exp((this.#ackedMs - nowMs) / RATE_DECAY_MS);
      this.#bytesPerMs += (sample - this.#bytesPerMs) * weight;
    }
  }

  #resize(newBytes: number): void {
    this.#wasLimited = true;
    const wantedBytes = clamp(
      this.#bytesPerMs * (QUEUE_MS + 1.25 * this.#roundTripMs),
      { min: MIN_BUDGET_BYTES, max: MAX_BUDGET_BYTES },
    );
    // Growing by what was acknowledged doubles the budget per round trip, as in TCP slow start.
    this.#budgetBytes = Math.min(wantedBytes, this.#budgetBytes + newBytes);
  }
}

function clamp(
  value: number,
  { min, max }: { min: number; max: number },
): number {
  return Math.min(max, Math.max(min, value));
}

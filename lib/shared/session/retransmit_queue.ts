// SPDX-License-Identifier: Apache-2.0
/** The packets of one stream that the peer hasn't acknowledged. */

/** Number of acknowledged packets from which on the array is compacted. */
const COMPACT_COUNT = 64;

/** Counted for each packet beside its length: the record of a tiny one is larger than itself. */
const PACKET_OVERHEAD_BYTES = 64;

/** A packet with the part of the sequence space that its envelope occupies. */
export interface SentPacket {
  /** Sequence position of the envelope. */
  sequence: number;
  /** Sequence position behind it. */
  end: number;
  packet: Uint8Array;
}

/** Keeps sent packets until they are acknowledged, to repeat them unchanged on the next link. */
export class RetransmitQueue {
  /** Packets before `#firstUnacked` are acknowledged, and removed from time to time. */
  #packets: SentPacket[] = [];
  #firstUnacked = 0;
  /** Index of the next packet to repeat; the length of the array if there is none. */
  #nextRepeat = 0;
  #unackedBytes = 0;

  /** Whether every packet is acknowledged. */
  get isEmpty(): boolean {
    return this.#firstUnacked === this.#packets.length;
  }

  /** Size of the packets that aren't acknowledged. */
  get unackedBytes(): number {
    return this.#unackedBytes;
  }

  /** What the packets that aren't acknowledged cost in memory, in bytes. */
  get heldBytes(): number {
    const count = this.#packets.length - this.#firstUnacked;
    return this.#unackedBytes + count * PACKET_OVERHEAD_BYTES;
  }

  /** The next packet to repeat, if any. */
  get nextRepeat(): SentPacket | undefined {
    return this.#packets[this.#nextRepeat];
  }

  /** Adds a packet that is sent for the first time. Nothing may be left to repeat. */
  push(sent: SentPacket): void {
    this.#packets.push(sent);
    this.#nextRepeat = this.#packets.length;
    this.#unackedBytes += sent.packet.length;
  }

  /** Removes and returns the next packet to repeat from what is left to repeat. */
  takeRepeat(): Uint8Array | undefined {
    const sent = this.#packets[this.#nextRepeat];
    if (sent) this.#nextRepeat++;
    return sent?.packet;
  }

  /** Removes the packets that end at or before this sequence position. */
  acknowledge(received: number): void {
    for (;;) {
      const sent = this.#packets[this.#firstUnacked];
      if (!sent || sent.end > received) break;
      this.#unackedBytes -= sent.packet.length;
      this.#firstUnacked++;
    }
    this.#nextRepeat = Math.max(this.#nextRepeat, this.#firstUnacked);
    this.#compact();
  }

  #compact(): void {
    const count = this.#firstUnacked;
    if (count <= COMPACT_COUNT || count * 2 <= this.#packets.length) return;
    this.#packets.splice(0, count);
    this.#nextRepeat -= count;
    this.#firstUnacked = 0;
  }

  /** Repeats every packet that isn't acknowledged: the link that they were sent on has ended. */
  rewind(): void {
    this.#nextRepeat = this.#firstUnacked;
  }

  /** Drops all packets. */
  clear(): void {
    this.#packets = [];
    this.#firstUnacked = this.#nextRepeat = this.#unackedBytes = 0;
  }
}

// SPDX-License-Identifier: Apache-2.0
/** A bound on handshakes under way, so that strangers who begin and never finish cost little. */

/** See {@linkcode createHandshakeGate}. */
export interface HandshakeGate {
  /**
   * Takes a place; gives the function that gives it back (may be called twice), or undefined when there is none.
   * `onEvicted` is called when the place is taken away for a newcomer.
   */
  enter(onEvicted: () => void): (() => void) | undefined;
  /** Places taken now. */
  readonly count: number;
}

/** Options of {@linkcode createHandshakeGate}. */
export interface HandshakeGateOptions {
  /** Handshakes at one time. @default 512 */
  maxCount?: number;
  /** A place held for longer may be taken away, in milliseconds: an honest agent needs one exchange only. @default 2000 */
  protectedMs?: number;
}

/** Makes a gate to be shared by all handshakes of a process. */
export function createHandshakeGate(
  options: HandshakeGateOptions = {},
): HandshakeGate {
  const { maxCount = 512, protectedMs = 2000 } = options;
  // A Map keeps the order of arrival: the first is the oldest.
  const places = new Map<symbol, { sinceMs: number; evict: () => void }>();
  return {
    get count() {
      return places.size;
    },
    enter(onEvicted) {
      const nowMs = performance.now();
      if (places.size >= maxCount) {
        const [oldest] = places;
        if (!oldest || nowMs - oldest[1].sinceMs < protectedMs) {
          return undefined;
        }
        places.delete(oldest[0]);
        oldest[1].evict();
      }
      const place = Symbol();
      places.set(place, { sinceMs: nowMs, evict: onEvicted });
      return () => void places.delete(place);
    },
  };
}

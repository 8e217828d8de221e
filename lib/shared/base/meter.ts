// SPDX-License-Identifier: Apache-2.0
/** What rooms count; who shows the figures is decided elsewhere (lib/operator on its metrics page). */

/** Names and values of labels; keep their number of values small. */
export type MeterLabels = Record<string, string>;

/** Takes figures. All calls are cheap and never throw. */
export interface Meter {
  /** Adds to a counter that only rises. */
  count(name: string, options?: { by?: number; labels?: MeterLabels }): void;
  /** Sets a value that goes up and down. */
  set(name: string, options: { value: number; labels?: MeterLabels }): void;
  /** Records one duration in milliseconds. */
  time(name: string, options: { ms: number; labels?: MeterLabels }): void;
}

/** Drops everything. */
export const NO_METER: Meter = { count() {}, set() {}, time() {} };

// SPDX-License-Identifier: Apache-2.0
/** The interface through which every room records metrics. */

/** Labels of one time series, by name. Every combination of values is a series of its own: keep their number small. */
export type MeterLabels = Record<string, string>;

/** Records metrics. All calls are cheap and never throw. The operator exposes them on its metrics page. */
export interface Meter {
  /** Increments a counter, by 1 unless `by` says otherwise. */
  count(name: string, options?: { by?: number; labels?: MeterLabels }): void;
  /** Sets a gauge. */
  set(name: string, options: { value: number; labels?: MeterLabels }): void;
  /** Adds a duration in milliseconds to a histogram. */
  time(name: string, options: { ms: number; labels?: MeterLabels }): void;
}

/** Records nothing. */
export const NO_METER: Meter = { count() {}, set() {}, time() {} };

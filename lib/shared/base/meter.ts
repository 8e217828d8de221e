// SPDX-License-Identifier: Apache-2.0
/** The interface through which every room records metrics. */

/** Labels of a time series. Each combination of values is a series: keep their number small. */
export type MeterLabels = Record<string, string>;

/** Records metrics. All calls are cheap and never throw. The operator shows them at /metrics. */
export interface Meter {
  /** Increments a counter, by 1 without `by`. */
  count(name: string, options?: { by?: number; labels?: MeterLabels }): void;
  /** Sets a gauge. */
  set(name: string, options: { value: number; labels?: MeterLabels }): void;
  /** Adds a duration in milliseconds to a histogram. */
  time(name: string, options: { ms: number; labels?: MeterLabels }): void;
}

/** Records nothing. */
export const NO_METER: Meter = { count() {}, set() {}, time() {} };

// SPDX-License-Identifier: Apache-2.0
/** The operator's metrics, on prom-client. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Meter, MeterLabels } from "../shared/base/mod.ts";

/** Upper bounds of the histograms' buckets, in seconds. */
const DURATION_BUCKETS_S = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60];

/**
 * A meter for Prometheus. A metric is created with its first value, and keeps the label names of
 * that value; a later value with other label names is dropped, because meters must not throw.
 */
export class PrometheusMeter implements Meter {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #histograms = new Map<string, Histogram>();

  /** Adds to a counter. */
  count(
    name: string,
    { by = 1, labels = {} }: { by?: number; labels?: MeterLabels } = {},
  ): void {
    dropErrors(() =>
      getOrCreate(
        this.#counters,
        name,
        () => new Counter(this.#toOptions(name, labels)),
      ).inc(labels, by)
    );
  }

  /** Sets a gauge. */
  set(
    name: string,
    { value, labels = {} }: { value: number; labels?: MeterLabels },
  ): void {
    dropErrors(() =>
      getOrCreate(
        this.#gauges,
        name,
        () => new Gauge(this.#toOptions(name, labels)),
      ).set(labels, value)
    );
  }

  /** Adds a duration to a histogram, which is in seconds. */
  time(
    name: string,
    { ms, labels = {} }: { ms: number; labels?: MeterLabels },
  ): void {
    dropErrors(() =>
      getOrCreate(this.#histograms, name, () =>
        new Histogram({
          ...this.#toOptions(name, labels),
          buckets: DURATION_BUCKETS_S,
        })).observe(labels, ms / 1000)
    );
  }

  /** Returns all metrics in the text format of Prometheus. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  #toOptions(name: string, labels: MeterLabels) {
    return {
      name,
      help: name.replaceAll("_", " "),
      labelNames: Object.keys(labels),
      registers: [this.#registry],
    };
  }
}

function getOrCreate<T>(
  metrics: Map<string, T>,
  name: string,
  create: () => T,
): T {
  const metric = metrics.get(name) ?? create();
  metrics.set(name, metric);
  return metric;
}

function dropErrors(work: () => void): void {
  try {
    work();
  } catch {
    // e.g. other label names than those of the first value
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The operator's own pages: /healthz, /readyz, /metrics; and the meter behind the last one. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import {
  AranyaError,
  type Meter,
  type MeterLabels,
} from "../shared/base/mod.ts";

/** A meter whose figures can be shown. */
export interface PageMeter extends Meter {
  /** Text of the metrics page, in the exposition format of Prometheus. */
  render(): Promise<string>;
}

const DURATION_BUCKETS_S = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60];

/** Makes a meter. A name keeps the labels that it is first used with. */
export function createPageMeter(): PageMeter {
  const registry = new Registry();
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const timers = new Map<string, Histogram>();

  function toOptions(name: string, labels: MeterLabels) {
    return {
      name,
      help: name.replaceAll("_", " "),
      labelNames: Object.keys(labels),
      registers: [registry],
    };
  }

  function of<T>(
    made: Map<string, T>,
    { name, make }: { name: string; make: () => T },
  ): T {
    const found = made.get(name) ?? make();
    made.set(name, found);
    return found;
  }

  /** Meters must not throw: a figure that does not fit its name is dropped. */
  function safely(work: () => void): void {
    try {
      work();
    } catch {
      // e.g. another set of labels
    }
  }

  return {
    count: (name, { by = 1, labels = {} } = {}) =>
      safely(() =>
        of(counters, { name, make: () => new Counter(toOptions(name, labels)) })
          .inc(labels, by)
      ),
    set: (name, { value, labels = {} }) =>
      safely(() =>
        of(gauges, { name, make: () => new Gauge(toOptions(name, labels)) })
          .set(labels, value)
      ),
    time: (name, { ms, labels = {} }) =>
      safely(() =>
        of(timers, {
          name,
          make: () =>
            new Histogram({
              ...toOptions(name, labels),
              buckets: DURATION_BUCKETS_S,
            }),
        }).observe(labels, ms / 1000)
      ),
    render: () => registry.metrics(),
  };
}

/** What an operator says of itself. */
export interface OperatorState {
  /** For /readyz; undefined: ready. A standby is ready too. */
  notReady(): string | undefined;
  /** For /readyz: what it does now. */
  doing(): string;
  /** Sets figures that are only known when they are asked for. */
  refresh(): void;
}

/** Options of {@linkcode servePages}. */
export interface ServePagesOptions {
  /** 0: any free one. */
  port: number;
  state: OperatorState;
  meter: PageMeter;
}

/** Serves the pages. @throws {AranyaError} code "conflict" when the port is taken */
export function servePages(
  options: ServePagesOptions,
): AsyncDisposable & { readonly port: number } {
  const { state, meter } = options;
  const server = listen(options.port, async (request) => {
    const { pathname } = new URL(request.url);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return text("only GET is served\n", 405);
    }
    switch (pathname) {
      case "/healthz":
      case "/livez":
        return text("ok\n");
      case "/readyz": {
        const reason = state.notReady();
        return reason === undefined
          ? text(`ok\n${state.doing()}\n`)
          : text(`not ready: ${reason}\n`, 503);
      }
      case "/metrics":
        state.refresh();
        return text(await meter.render(), 200);
      default:
        return text("there are /healthz, /readyz and /metrics\n", 404);
    }
  });
  return {
    port: server.addr.port,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function listen(
  port: number,
  handler: (request: Request) => Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({
      port,
      onListen() {},
      onError: () => text("internal error\n", 500),
    }, handler);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AddrInUse)) throw cause;
    throw new AranyaError(
      "conflict",
      `Cannot listen on port ${port} for /healthz: it is taken, expected another --http-port`,
      { cause },
    );
  }
}

function text(body: string, status = 200): Response {
  return new Response(body, {
    status,
    headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
  });
}

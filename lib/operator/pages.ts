// SPDX-License-Identifier: Apache-2.0
/** The operator's HTTP pages: /healthz, /livez, /readyz and /metrics. */
import { createServer, type Server } from "node:http";
import {
  AranyaError,
  type Clock,
  SYSTEM_CLOCK,
  toListenError,
} from "../shared/base/mod.ts";
import {
  HTTP_SERVER_LIMITS,
  HttpGuard,
  PendingSockets,
} from "../shared/guard/mod.ts";
import { listenOnAllFamilies } from "./listen.ts";
import type { PrometheusMeter } from "./prometheus_meter.ts";

/** What the pages show of the operator. */
export interface OperatorStatus {
  /** Why the operator isn't ready; undefined when it is, which a standby is too. */
  readonly notReadyReason: string | undefined;
  /** What the operator does now, in a few words; for /readyz. */
  readonly activity: string;
  /** Sets the gauges that are only measured when /metrics is read. */
  updateGauges(): void;
}

/** Options of {@linkcode servePages}. */
export interface ServePagesOptions {
  /** 0: any free port. */
  port: number;
  status: OperatorStatus;
  meter: PrometheusMeter;
  /** @default the machine's */
  clock?: Clock;
}

/** A running HTTP server. */
export interface PageServer extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
}

/** A response without headers. */
interface Page {
  status: number;
  body: string;
}

/**
 * Upper bound of connections. Anybody can reach the port; what keeps the operator alive are the
 * kubelet's probes, which come from few addresses.
 */
const MAX_CONNECTIONS = 64;
/** Time for one request and its response, in milliseconds. */
const CONNECTION_TIMEOUT_MS = 15_000;
/** Metrics are rendered at most once in this time, in milliseconds. */
const METRICS_TTL_MS = 1000;

/**
 * Starts the server.
 * @throws {AranyaError} code "conflict" when the port is taken
 */
export async function servePages(
  options: ServePagesOptions,
): Promise<PageServer> {
  const pages = new Pages(options);
  const server = createServer(HTTP_SERVER_LIMITS);
  const pending = new PendingSockets({
    maxCount: MAX_CONNECTIONS,
    timeoutMs: CONNECTION_TIMEOUT_MS,
  });
  new HttpGuard(server, pending).onRequest((request, response) => {
    const { method = "", url = "" } = request;
    void pages.find({ method, target: url }).catch(() => INTERNAL_ERROR)
      .then(({ status, body }) => {
        response.writeHead(status, {
          "content-type": "text/plain; version=0.0.4; charset=utf-8",
          // An idle connection would keep its slot from others.
          connection: "close",
        });
        response.end(method === "HEAD" ? undefined : body);
      });
  });
  const { port } = options;
  await listenOnAllFamilies((host) => listenOn(server, { host, port }));
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const INTERNAL_ERROR: Page = { status: 500, body: "internal error\n" };

/** Finds the page for a request. */
class Pages {
  readonly #options: ServePagesOptions;
  #metrics: { body: Promise<string>; untilMs: number } | undefined;

  constructor(options: ServePagesOptions) {
    this.#options = options;
  }

  async find(
    { method, target }: { method: string; target: string },
  ): Promise<Page> {
    if (method !== "GET" && method !== "HEAD") {
      return { status: 405, body: "method not allowed, expected GET\n" };
    }
    switch (target.split("?", 1)[0]) {
      case "/healthz":
      case "/livez":
        return { status: 200, body: "ok\n" };
      case "/readyz":
        return this.#readiness();
      case "/metrics":
        return { status: 200, body: await this.#renderMetrics() };
      default:
        return {
          status: 404,
          body: "not found, see /healthz, /readyz and /metrics\n",
        };
    }
  }

  #readiness(): Page {
    const { notReadyReason: reason, activity } = this.#options.status;
    return reason === undefined
      ? { status: 200, body: `ok\n${activity}\n` }
      : { status: 503, body: `not ready: ${reason}\n` };
  }

  #renderMetrics(): Promise<string> {
    const nowMs = (this.#options.clock ?? SYSTEM_CLOCK).monotonicMs();
    if (!this.#metrics || nowMs >= this.#metrics.untilMs) {
      this.#options.status.updateGauges();
      this.#metrics = {
        body: this.#options.meter.render(),
        untilMs: nowMs + METRICS_TTL_MS,
      };
    }
    return this.#metrics.body;
  }
}

async function listenOn(
  server: Server,
  { host, port }: { host: string; port: number },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (cause) {
    const error = toListenError(
      cause,
      `Cannot listen on port ${port} for /healthz`,
    );
    if (error.code !== "conflict") throw error;
    throw new AranyaError(
      "conflict",
      `${error.message}, expected another --http-port`,
      { cause },
    );
  } finally {
    server.off("error", reject);
    server.off("listening", resolve);
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The operator's HTTP pages: /healthz, /livez, /readyz and /metrics. */
import { AranyaError } from "../shared/base/mod.ts";
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
}

/** A running HTTP server. */
export interface PageServer extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
}

/** Starts the server. @throws {AranyaError} code "conflict" when the port is taken */
export function servePages(options: ServePagesOptions): PageServer {
  const server = listen(
    options.port,
    (request) => handleRequest(request, options),
  );
  return {
    port: server.addr.port,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function handleRequest(
  request: Request,
  { status, meter }: ServePagesOptions,
): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return toResponse("method not allowed, expected GET\n", 405);
  }
  switch (new URL(request.url).pathname) {
    case "/healthz":
    case "/livez":
      return toResponse("ok\n");
    case "/readyz": {
      const reason = status.notReadyReason;
      return reason === undefined
        ? toResponse(`ok\n${status.activity}\n`)
        : toResponse(`not ready: ${reason}\n`, 503);
    }
    case "/metrics":
      status.updateGauges();
      return toResponse(await meter.render());
    default:
      return toResponse("not found, see /healthz, /readyz and /metrics\n", 404);
  }
}

type Handler = (request: Request) => Promise<Response>;

/** Listens on all addresses of both families, or on IPv4 where the kernel has no IPv6. */
function listen(port: number, handler: Handler): Deno.HttpServer<Deno.NetAddr> {
  try {
    return listenOn({ hostname: "::", port }, handler);
  } catch (error) {
    if (error instanceof AranyaError) throw error;
    return listenOn({ hostname: "0.0.0.0", port }, handler);
  }
}

function listenOn(
  { hostname, port }: { hostname: string; port: number },
  handler: Handler,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({
      hostname,
      port,
      onListen() {},
      onError: () => toResponse("internal error\n", 500),
    }, handler);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AddrInUse)) throw cause;
    throw new AranyaError(
      "conflict",
      `Cannot listen on port ${port} for /healthz: the port is taken, expected another --http-port`,
      { cause },
    );
  }
}

function toResponse(body: string, status = 200): Response {
  return new Response(body, {
    status,
    headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
  });
}

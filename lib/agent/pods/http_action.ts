// SPDX-License-Identifier: Apache-2.0
/** HTTP requests of probes and lifecycle hooks. */
import type { Socket } from "node:net";
import { AranyaError, formatEndpoint, onAbort } from "../../shared/base/mod.ts";
import type { HttpAction } from "../../shared/wire/mod.ts";
import { dial } from "./dial.ts";

/** Status line and headers must be within the first bytes of a response. */
const MAX_HEAD_BYTES = 10_240;
/** Redirects that are followed before the request fails, as in Go's net/http. */
const MAX_REDIRECTS = 10;
const REDIRECT_STATUSES: readonly number[] = [301, 302, 303, 307, 308];
/** Code of a TLS error: the server's answer is not TLS. */
const NOT_TLS = "ERR_SSL_WRONG_VERSION_NUMBER";

/** Options of {@linkcode requestHttp}. */
export interface RequestHttpOptions {
  /** Address when the action names no host. */
  defaultHost: string;
  /** Value of the header User-Agent, unless the action has one. */
  userAgent: string;
  /** Whether a request over TLS is repeated without TLS when the server does not speak it. */
  fallsBackToHttp: boolean;
  signal: AbortSignal;
}

/** The response to the last request. */
export interface HttpResult {
  status: number;
  /** Host and port of the server when the request was repeated without TLS. */
  fellBackAt?: string;
}

/** Where one request goes. */
interface RequestTarget {
  tls: boolean;
  host: string;
  port: number;
  /** With the query. */
  path: string;
  /** Value of the header Host. */
  hostHeader: string;
}

interface ResponseHead {
  status: number;
  location: string | undefined;
}

/**
 * Sends the request of an action and follows redirects on the same host, as a kubelet does
 * (`RedirectChecker` in pkg/probe/http). Certificates are not verified.
 * @throws {AranyaError} code "unavailable" when there is no response, or too many redirects
 */
export async function requestHttp(
  action: HttpAction,
  options: RequestHttpOptions,
): Promise<HttpResult> {
  const target = toTarget(action, options);
  try {
    return await followRedirects(target, { action, ...options });
  } catch (error) {
    const isNotTls = error instanceof Error && "code" in error &&
      error.code === NOT_TLS;
    if (!target.tls || !options.fallsBackToHttp || !isNotTls) throw error;
    const { status } = await followRedirects({ ...target, tls: false }, {
      action,
      ...options,
    });
    return { status, fellBackAt: formatEndpoint(target) };
  }
}

function toTarget(
  { scheme, host: actionHost, port, path, headers }: HttpAction,
  { defaultHost }: RequestHttpOptions,
): RequestTarget {
  const host = actionHost || defaultHost;
  const custom = headers.find(({ name }) => name.toLowerCase() === "host");
  return {
    tls: scheme.toUpperCase() === "HTTPS",
    host,
    port,
    path: path.startsWith("/") ? path : `/${path}`,
    hostHeader: custom?.value ?? formatEndpoint({ host, port }),
  };
}

async function followRedirects(
  first: RequestTarget,
  options: RequestHttpOptions & { action: HttpAction },
): Promise<HttpResult> {
  let target = first;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const { status, location } = await sendRequest(target, options);
    const next = location && REDIRECT_STATUSES.includes(status)
      ? toRedirectTarget(target, location)
      : undefined;
    if (next?.host !== first.host) return { status };
    target = next;
  }
  throw new AranyaError(
    "unavailable",
    `Cannot finish HTTP request: stopped after ${MAX_REDIRECTS} redirects`,
  );
}

/** Returns undefined when the location is no HTTP URL. */
function toRedirectTarget(
  from: RequestTarget,
  location: string,
): RequestTarget | undefined {
  const { tls, host, port, path } = from;
  const base = `${tls ? "https" : "http"}://${
    formatEndpoint({ host, port })
  }${path}`;
  const url = URL.parse(location, base);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") return undefined;
  const isTls = url.protocol === "https:";
  // A header that was asked for is kept through relative redirects.
  const isRelative = URL.parse(location) === null;
  return {
    tls: isTls,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port) || (isTls ? 443 : 80),
    path: `${url.pathname}${url.search}`,
    hostHeader: isRelative ? from.hostHeader : url.host,
  };
}

async function sendRequest(
  target: RequestTarget,
  { action, userAgent, signal }: RequestHttpOptions & { action: HttpAction },
): Promise<ResponseHead> {
  const socket = await dial({ ...target, signal });
  const headers = action.headers.filter(({ name }) =>
    name.toLowerCase() !== "host"
  );
  const has = (header: string) =>
    headers.some(({ name }) => name.toLowerCase() === header);
  const lines = [
    `GET ${target.path} HTTP/1.1`,
    `Host: ${target.hostHeader}`,
    ...headers.map(({ name, value }) => `${name}: ${value}`),
    ...(has("user-agent") ? [] : [`User-Agent: ${userAgent}`]),
    ...(has("accept") ? [] : ["Accept: */*"]),
    "Connection: close",
    // A line break in a value must not become another header.
  ].map((line) => line.replace(/[\r\n]/g, " "));
  return await readHead(socket, {
    request: `${lines.join("\r\n")}\r\n\r\n`,
    signal,
  });
}

/** Sends a request and returns the head of its response; the connection is closed in any case. */
async function readHead(
  socket: Socket,
  { request, signal }: { request: string; signal: AbortSignal },
): Promise<ResponseHead> {
  const { promise, resolve, reject } = Promise.withResolvers<ResponseHead>();
  using _abortListener = onAbort(signal, reject);
  let text = "";
  const finish = () => {
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
    if (status === undefined) {
      return reject(
        new AranyaError("unavailable", "Cannot read HTTP response: not HTTP"),
      );
    }
    const location = /^location:[ \t]*(.*?)[ \t]*\r?$/im.exec(text)?.[1];
    resolve({ status: Number(status), location });
  };
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    const end = text.search(/\r?\n\r?\n/);
    if (end >= 0) text = text.slice(0, end);
    if (end >= 0 || text.length > MAX_HEAD_BYTES) finish();
  });
  // A server that only sends a status line may close at once.
  socket.once("end", finish);
  socket.once("close", finish);
  socket.once("error", reject);
  socket.write(request);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

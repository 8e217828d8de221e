// SPDX-License-Identifier: Apache-2.0
/** Host and port as text (RFC 3986, section 3.2.2). */
import { isIPv4, isIPv6 } from "node:net";
import { AranyaError } from "./errors.ts";

/** Where a server listens. */
export interface Endpoint {
  /** A DNS name, or an IP address without brackets. */
  host: string;
  /** 1 to 65535. */
  port: number;
  /** Which of the three `host` is. */
  kind: "name" | "ipv4" | "ipv6";
}

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_-]{1,63})*\.?$/i;

/** Parses "host:port", "10.0.0.1:9443" or "[::1]:9443". @throws {AranyaError} code "invalid" */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2] ?? "";
  if (!match || port < 1 || port > 65_535) throw invalidEndpoint(text);
  if (match[1] !== undefined) {
    if (!isIPv6(host)) throw invalidEndpoint(text);
    return { host, port, kind: "ipv6" };
  }
  if (isIPv4(host)) return { host, port, kind: "ipv4" };
  if (!HOST_NAME.test(host) || /^[\d.]+$/.test(host)) {
    throw invalidEndpoint(text);
  }
  return { host, port, kind: "name" };
}

/** Returns whether {@linkcode parseEndpoint} accepts the text. */
export function isEndpoint(text: string): boolean {
  try {
    parseEndpoint(text);
    return true;
  } catch {
    return false;
  }
}

/** Returns the host as it stands in a URL: an IPv6 address in brackets, anything else unchanged. */
export function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Returns "host:port", an IPv6 address in brackets. */
export function formatEndpoint(
  { host, port }: { host: string; port: number | string },
): string {
  return `${formatHost(host)}:${port}`;
}

function invalidEndpoint(text: string): AranyaError {
  return new AranyaError(
    "invalid",
    `Cannot parse endpoint ${
      JSON.stringify(text)
    }: expected "host:port" or "[IPv6]:port"`,
  );
}

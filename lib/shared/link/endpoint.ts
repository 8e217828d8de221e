// SPDX-License-Identifier: Apache-2.0
/** End points as users write them. */
import { isIPv4, isIPv6 } from "node:net";
import { AranyaError } from "../base/mod.ts";

/** Where a server is. */
export interface Endpoint {
  /** A name, or an IP address without brackets. */
  host: string;
  port: number;
  /** Which of the three `host` is. */
  kind: "name" | "ipv4" | "ipv6";
}

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_-]{1,63})*\.?$/i;

/** Reads "host:port", "10.0.0.1:9443" or "[::1]:9443". @throws {AranyaError} code "invalid" */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2] ?? "";
  if (!match || port < 1 || port > 65_535) throw unreadable(text);
  if (match[1] !== undefined) {
    if (!isIPv6(host)) throw unreadable(text);
    return { host, port, kind: "ipv6" };
  }
  if (isIPv4(host)) return { host, port, kind: "ipv4" };
  if (!HOST_NAME.test(host) || /^[\d.]+$/.test(host)) throw unreadable(text);
  return { host, port, kind: "name" };
}

/** The text of an end point, IPv6 in brackets. */
export function formatEndpoint(
  { host, port }: { host: string; port: number },
): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function unreadable(text: string): AranyaError {
  return new AranyaError(
    "invalid",
    `Cannot read end point ${
      JSON.stringify(text)
    }: it is not like "host:port" or "[IPv6]:port"`,
  );
}

// SPDX-License-Identifier: Apache-2.0
/**
 * The HTTP proxy that environment variables name, by the rules of Go's `http.ProxyFromEnvironment`.
 */
import { BlockList, isIP, isIPv6 } from "node:net";
import { AranyaError } from "../../shared/base/mod.ts";

/** Values of HTTPS_PROXY and NO_PROXY, in upper or lower case. */
export interface ProxyEnv {
  HTTPS_PROXY?: string | undefined;
  NO_PROXY?: string | undefined;
}

/** Where a request goes. */
interface Target {
  host: string;
  port: string;
}

/**
 * Returns the URL of the proxy for requests to this https URL; undefined without one. Loopback
 * addresses and "localhost" are always reached directly.
 * @throws {AranyaError} code "invalid" when HTTPS_PROXY is no http or https URL
 */
export function findProxy(server: string, env: ProxyEnv): string | undefined {
  if (!env.HTTPS_PROXY) return undefined;
  const { hostname, port } = new URL(server);
  const target = {
    host: hostname.replace(/^\[|\]$/g, "").toLowerCase(),
    port: port === "" ? "443" : port,
  };
  if (isLoopback(target.host)) return undefined;
  const exceptions = (env.NO_PROXY ?? "").toLowerCase().split(",")
    .map((part) => part.trim()).filter((part) => part !== "");
  if (exceptions.some((exception) => matches(exception, target))) {
    return undefined;
  }
  const url = env.HTTPS_PROXY.includes("://")
    ? env.HTTPS_PROXY
    : `http://${env.HTTPS_PROXY}`;
  if (URL.canParse(url) && /^https?:\/\//.test(url)) return url;
  // Without the value, which may contain a password.
  throw new AranyaError(
    "invalid",
    "Cannot use HTTPS_PROXY: it is not an http or https URL",
  );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

/**
 * Returns whether one element of NO_PROXY names the target: "*", an address, a range of addresses,
 * or a domain with those below it (with a leading dot only those below); each but the range may end
 * with a port.
 */
function matches(exception: string, target: Target): boolean {
  if (exception === "*") return true;
  if (exception.includes("/")) return isInRange(exception, target.host);
  const [, name = "", port] = exception.match(/^\[?([^\]]*?)\]?(?::(\d+))?$/) ??
    [];
  const bare = isIPv6(exception) ? exception : name;
  if (bare !== exception && port !== undefined && port !== target.port) {
    return false;
  }
  if (isIP(bare)) return bare === target.host;
  const domain = bare.replace(/^\*(?=\.)/, "");
  return domain.startsWith(".")
    ? target.host.endsWith(domain)
    : target.host === domain || target.host.endsWith(`.${domain}`);
}

function isInRange(range: string, host: string): boolean {
  const [address = "", prefix = ""] = range.split("/");
  const family = isIPv6(address) ? "ipv6" : "ipv4";
  if (!isIP(address) || !isIP(host) || !/^\d+$/.test(prefix)) return false;
  if (Number(prefix) > (family === "ipv4" ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(address, Number(prefix), family);
  return list.check(host, isIPv6(host) ? "ipv6" : "ipv4");
}

// SPDX-License-Identifier: Apache-2.0
/** Finds the address at which the API server can reach this host. */
import { AranyaError } from "../shared/base/mod.ts";

/** An address of a network interface, as `Deno.networkInterfaces` returns it. */
export interface InterfaceAddress {
  /** Name of the interface. */
  name: string;
  family: "IPv4" | "IPv6";
  address: string;
}

/** Names of interfaces that lead to containers or virtual machines of this host, or nowhere. */
const INNER_INTERFACE =
  /^(lo|docker|br-|cni|cbr|veth|cali|flannel|cilium|lxc|virbr|vnet|tun|tap|wg|kube-ipvs|nodelocaldns|dummy|podman|nerdctl|weave|vxlan|genev)/;

/**
 * Returns the first address that other hosts may reach, an IPv4 one if there is one. Empty when
 * there are only loopback, link-local and container addresses.
 */
export function pickHostAddresses(found: InterfaceAddress[]): string[] {
  const outer = found.filter(({ name, address }) =>
    !INNER_INTERFACE.test(name) && isUsable(address)
  );
  const v4 = outer.filter(({ family }) => family === "IPv4");
  return (v4.length > 0 ? v4 : outer).slice(0, 1).map(({ address }) => address);
}

/**
 * Returns whether other hosts may reach this one at the address: not loopback, link-local or
 * unspecified.
 */
export function isUsable(address: string): boolean {
  return !/^(127\.|0\.|169\.254\.|::1$|::$|fe80:)/i.test(address);
}

/**
 * Returns the address that connections to the API server come from, else that of an interface.
 * @throws {AranyaError} code "unavailable" when there are only loopback addresses
 */
export async function findHostAddresses(
  { server, timeoutMs = 3000 }: { server: string; timeoutMs?: number },
): Promise<string[]> {
  const local = await findLocalAddress(new URL(server), timeoutMs);
  if (local !== undefined && isUsable(local)) return [local];
  const found = pickHostAddresses(Deno.networkInterfaces());
  if (found.length > 0) return found;
  throw new AranyaError(
    "unavailable",
    "Cannot find the address of this host: it has only loopback addresses, expected --host-address",
  );
}

/**
 * Returns the local address of a connection to the API server; undefined when it can't be reached.
 */
async function findLocalAddress(
  url: URL,
  timeoutMs: number,
): Promise<string | undefined> {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  try {
    using connection = await Deno.connect({
      hostname,
      port,
      signal: AbortSignal.timeout(timeoutMs),
    });
    const { localAddr } = connection;
    return localAddr.transport === "tcp" ? localAddr.hostname : undefined;
  } catch {
    return undefined; // the caller reads the interfaces then
  }
}

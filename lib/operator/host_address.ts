// SPDX-License-Identifier: Apache-2.0
/** Finds the address under which the API server reaches this host. */
import { AranyaError } from "../shared/base/mod.ts";

/** One address of an interface, as `Deno.networkInterfaces` gives it. */
export interface InterfaceAddress {
  name: string;
  family: "IPv4" | "IPv6";
  address: string;
}

/** Interfaces that lead to containers or virtual machines of this host, or nowhere. */
const INNER_INTERFACE =
  /^(lo|docker|br-|cni|cbr|veth|cali|flannel|cilium|lxc|virbr|vnet|tun|tap|wg|kube-ipvs|nodelocaldns|dummy|podman|nerdctl|weave|vxlan|genev)/;

/** The host's own addresses, loopback and inner ones left out, IPv4 first. */
export function pickHostAddresses(found: InterfaceAddress[]): string[] {
  const outer = found.filter(({ name, address }) =>
    !INNER_INTERFACE.test(name) && isUsable(address)
  );
  const v4 = outer.filter(({ family }) => family === "IPv4");
  return (v4.length > 0 ? v4 : outer).slice(0, 1).map(({ address }) => address);
}

/** Whether an address could lead here from elsewhere. */
export function isUsable(address: string): boolean {
  return !/^(127\.|0\.|169\.254\.|::1$|::$|fe80:)/i.test(address);
}

/**
 * Asks the routing table (by connecting to the API server), then the interfaces.
 * @throws {AranyaError} code "unavailable" when there is no address but loopback
 */
export async function findHostAddresses(
  { server, timeoutMs = 3000 }: { server: string; timeoutMs?: number },
): Promise<string[]> {
  const routed = await findRouted(new URL(server), timeoutMs);
  if (routed !== undefined && isUsable(routed)) return [routed];
  const found = pickHostAddresses(Deno.networkInterfaces());
  if (found.length > 0) return found;
  throw new AranyaError(
    "unavailable",
    "Cannot find the address of this host: it has only loopback addresses, expected --host-address",
  );
}

/** The near end of a connection to the API server; undefined when there is no way to it just now. */
async function findRouted(
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
    return undefined; // the interfaces answer then
  }
}

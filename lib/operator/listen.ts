// SPDX-License-Identifier: Apache-2.0
/** Listens on all addresses of this host. */
import { hasCode } from "../shared/base/mod.ts";

/**
 * Listens on all addresses of both families, or on IPv4 where the kernel has no IPv6.
 * @param listenOn listens on the host that is passed; called once more with the IPv4 one when it
 * rejects with "unavailable"
 * @throws {AranyaError} as the last call of `listenOn`
 */
export async function listenOnAllFamilies<T>(
  listenOn: (host: string) => Promise<T>,
): Promise<T> {
  try {
    return await listenOn("::");
  } catch (error) {
    if (!hasCode(error, "unavailable")) throw error;
    return await listenOn("0.0.0.0");
  }
}

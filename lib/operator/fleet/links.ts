// SPDX-License-Identifier: Apache-2.0
/** Incoming links: authenticates each agent and passes its link to its device. */
import {
  AranyaError,
  asAranyaError,
  type Logger,
  type Meter,
} from "../../shared/base/mod.ts";
import type { Link, LinkListener } from "../../shared/link/mod.ts";
import type { Device } from "../device/mod.ts";
import {
  HandshakeLimit,
  NotLeaderError,
  respondToHandshake,
} from "../../shared/noise/mod.ts";

/** The devices that this operator serves. */
export interface DeviceDirectory {
  /**
   * Returns the device of this name; undefined when there is none.
   * @param peer address of the agent that asks
   * @throws {NotLeaderError} while another operator serves the devices, or may
   */
  find(name: string, peer: string): Device | undefined;
}

/** Options of {@linkcode serveLinks}. */
export interface ServeLinksOptions {
  listener: LinkListener;
  directory: DeviceDirectory;
  log: Logger;
  meter: Meter;
  /** Refuses further links once it is aborted. */
  signal: AbortSignal;
}

/**
 * Highest number of handshakes at the same time. One costs a fraction of a millisecond, so that
 * more than this are only waiting for slow peers.
 */
const MAX_HANDSHAKES = 512;

/** Serves links until the listener is disposed. Never rejects; what fails on a link is logged. */
export async function serveLinks(options: ServeLinksOptions): Promise<void> {
  const { listener, log } = options;
  const limit = new HandshakeLimit({ maxCount: MAX_HANDSHAKES });
  const running = new Set<Promise<void>>();
  for await (const link of listener.links) {
    const serving: Promise<void> = serveLink(link, { ...options, limit }).catch(
      (error) => log.error("link could not be served", { error }),
    ).finally(() => running.delete(serving));
    running.add(serving);
  }
  await Promise.allSettled(running);
}

async function serveLink(
  link: Link,
  options: ServeLinksOptions & { limit: HandshakeLimit },
): Promise<void> {
  const { directory, log, meter, signal, limit } = options;
  const { peer } = link;
  if (signal.aborted) return link.close("the operator is shutting down");
  let secured: Awaited<ReturnType<typeof respondToHandshake>>;
  try {
    secured = await respondToHandshake(link, {
      findKeys: (name) =>
        Promise.resolve().then(() => keysOf(directory.find(name, peer))),
      limit,
      meter,
      signal,
    });
  } catch (error) {
    const { code, details, message } = asAranyaError(
      error,
      "Cannot secure link",
    );
    const name = typeof details?.device === "string" ? details.device : "";
    // Every agent comes by now and then while another operator leads.
    const level = error instanceof NotLeaderError ? "debug" : "warn";
    log[level]("agent was refused", { link: peer, device: name, error });
    meter.count("aranya_handshakes_refused_total", { labels: { code } });
    // Only an agent that proved to hold the credential may change a condition.
    if (code === "unsupported" && details?.proven === true) {
      directory.find(name, peer)?.reportUnsupportedVersion(message);
    }
    return;
  }
  let device: Device | undefined;
  try {
    device = directory.find(secured.device, peer);
  } catch (error) {
    if (!(error instanceof NotLeaderError)) throw error;
  }
  if (!device) return secured.link.close("the device is no longer served");
  await device.accept(secured);
}

/**
 * Returns the keys that an agent of the device may use; undefined for an unknown device.
 * @throws {AranyaError} "unavailable" while the credential is not known yet, or the EdgeDevice sets
 * another connectivity method, so that the agent retries
 */
function keysOf(device: Device | undefined): Device["keys"] {
  if (device && !device.isServed) {
    throw new AranyaError(
      "unavailable",
      `Cannot accept device "${device.name}": the connectivity method of its EdgeDevice is not supported`,
    );
  }
  if (device && !device.keys) {
    throw new AranyaError(
      "unavailable",
      `Cannot accept device "${device.name}": it is still being set up`,
    );
  }
  return device?.keys;
}

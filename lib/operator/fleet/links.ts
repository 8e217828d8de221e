// SPDX-License-Identifier: Apache-2.0
/** Devices' links as they come: who is it, then over to the device. */
import {
  AranyaError,
  asAranyaError,
  type Logger,
  type Meter,
} from "../../shared/base/mod.ts";
import type { Link, LinkListener } from "../../shared/link/mod.ts";
import type { Device } from "../device/mod.ts";
import { HandshakeLimit, respondToHandshake } from "../../shared/noise/mod.ts";

/** Options of {@linkcode serveLinks}. */
export interface ServeLinksOptions {
  listener: LinkListener;
  /** A device by its name. @throws {AranyaError} "unavailable" while devices are not known yet */
  find: (device: string) => Device | undefined;
  log: Logger;
  meter: Meter;
  signal: AbortSignal;
}

/** A handshake costs a fraction of a millisecond; more than this at one time are only waiting for slow peers. */
const MAX_HANDSHAKES = 512;

/** Serves links until the listener is disposed. Never rejects: what goes wrong with a link is logged. */
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
  options: ServeLinksOptions & {
    limit: HandshakeLimit;
  },
): Promise<void> {
  const { find, log, meter, signal, limit } = options;
  if (signal.aborted) return link.close("the operator is shutting down");
  let secured: Awaited<ReturnType<typeof respondToHandshake>>;
  try {
    secured = await respondToHandshake(link, {
      findKeys: (name) => Promise.resolve().then(() => keysOf(find(name))),
      limit,
      meter,
      signal,
    });
  } catch (error) {
    const { code, details } = asAranyaError(error, "Cannot secure link");
    const name = typeof details?.device === "string" ? details.device : "";
    log.warn("agent was refused", { link: link.peer, device: name, error });
    meter.count("aranya_handshakes_refused_total", { labels: { code } });
    // Only an agent that holds the credential may write a condition.
    if (code === "unsupported" && details?.proven === true) {
      find(name)?.noteVersion(asAranyaError(error, "").message);
    }
    return;
  }
  const device = find(secured.device);
  if (!device) return secured.link.close("the device is no longer served");
  await device.accept(secured);
}

/** @throws {AranyaError} "unavailable" for a device whose credential is not known yet: its agent is to come again */
function keysOf(device: Device | undefined): Device["keys"] {
  if (device && !device.keys) {
    throw new AranyaError(
      "unavailable",
      `Cannot let in device "${device.name}": it is still being set up`,
    );
  }
  return device?.keys;
}

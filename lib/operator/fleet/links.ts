// SPDX-License-Identifier: Apache-2.0
/** Incoming links: authenticates each agent and passes its link to its device. */
import {
  asAranyaError,
  type Logger,
  LogLimit,
  type Meter,
} from "../../shared/base/mod.ts";
import { FairSlots } from "../../shared/guard/mod.ts";
import type { Link, LinkListener } from "../../shared/link/mod.ts";
import type { Device } from "../device/mod.ts";
import { NotLeaderError, respondToHandshake } from "../../shared/noise/mod.ts";
import { closeWithGoodbye } from "../../shared/session/mod.ts";

/** The devices that this operator serves. */
export interface DeviceDirectory {
  /**
   * Returns the device of this name; undefined when there is none.
   * @param peer address of the agent that asks
   * @throws {NotLeaderError} while another operator serves the devices, or may
   */
  find(name: string, peer: string): Device | undefined;
  /**
   * Resolves when it is known whether this operator serves devices: at once unless it is about to
   * become the leader, and after some seconds in any case. Never rejects.
   */
  decided(signal: AbortSignal): Promise<void>;
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
/** A handshake older than this may be evicted for a client whose group holds as many slots. */
const HANDSHAKE_PROTECTED_MS = 2000;

/** Serves links until the listener is disposed. Never rejects; what fails on a link is logged. */
export async function serveLinks(options: ServeLinksOptions): Promise<void> {
  const { listener, log } = options;
  const shared = {
    ...options,
    slots: new FairSlots({
      maxCount: MAX_HANDSHAKES,
      protectedMs: HANDSHAKE_PROTECTED_MS,
    }),
    logLimit: new LogLimit(),
  };
  const running = new Set<Promise<void>>();
  for await (const link of listener.links) {
    const serving: Promise<void> = serveLink(link, shared).catch(
      (error) => log.error("link could not be served", { error }),
    ).finally(() => running.delete(serving));
    running.add(serving);
  }
  await Promise.allSettled(running);
}

async function serveLink(
  link: Link,
  options: ServeLinksOptions & { slots: FairSlots; logLimit: LogLimit },
): Promise<void> {
  const { directory, meter, signal, slots } = options;
  const { peer } = link;
  if (signal.aborted) return link.close("the operator is shutting down");
  let secured: Awaited<ReturnType<typeof respondToHandshake>>;
  try {
    secured = await respondToHandshake(link, {
      findKeys: async (name) => {
        await directory.decided(signal);
        return directory.find(name, peer)?.findKeys();
      },
      slots,
      meter,
      signal,
    });
  } catch (error) {
    reportRefusal(link, { ...options, error });
    return;
  }
  const device = findServed(directory, { name: secured.device, peer });
  if (!device) {
    const reason = "the device is no longer served";
    return await closeWithGoodbye(secured.link, { reason });
  }
  await device.accept(secured);
}

/** Returns the device of this name; undefined too while another operator serves the devices. */
function findServed(
  directory: DeviceDirectory,
  { name, peer }: { name: string; peer: string },
): Device | undefined {
  try {
    return directory.find(name, peer);
  } catch (error) {
    if (error instanceof NotLeaderError) return undefined;
    throw error;
  }
}

/** Logs a failed handshake; reports an agent of another version to its device. */
function reportRefusal(
  link: Link,
  { directory, log, logLimit, error }: ServeLinksOptions & {
    logLimit: LogLimit;
    error: unknown;
  },
): void {
  const { code, details, message } = asAranyaError(
    error,
    "Cannot secure link",
  );
  const name = typeof details?.device === "string" ? details.device : "";
  // Unauthenticated clients may send any name: only existing devices have lines of their own.
  const admitted = logLimit.admit(
    details?.known === true ? `${code} ${name}` : code,
  );
  if (admitted) {
    // Every agent comes by now and then while another operator leads.
    const level = error instanceof NotLeaderError ? "debug" : "warn";
    log[level]("agent was refused", {
      ...admitted,
      link: link.peer,
      device: name,
      error,
    });
  }
  // Only an agent that proved to hold the credential may change a condition.
  if (code === "unsupported" && details?.proven === true) {
    findServed(directory, { name, peer: link.peer })
      ?.onVersionUnsupported(message);
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Sends a device its configuration. */
import {
  createBackoff,
  equalBytes,
  type Logger,
  Notifier,
} from "../../shared/base/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  type Configure,
  ConfigureSchema,
  encodeMessage,
  Method,
} from "../../shared/wire/mod.ts";

/** Options of {@linkcode ConfigurationSender}. */
export interface ConfigurationSenderOptions {
  session: Pick<Session, "request">;
  /** Read anew for each request. */
  settings: { readonly requestTimeoutMs: number };
  /** Has the name of the device. */
  log: Logger;
}

/** Sends METHOD_CONFIGURE after each hello, and again whenever the configuration changes. */
export class ConfigurationSender {
  readonly #options: ConfigurationSenderOptions;
  #desired: Configure | undefined;
  /** The desired configuration as bytes, for comparisons. */
  #desiredBytes: Uint8Array | undefined;
  /** Runs that wait for a change. There are two for a moment when a new link replaces another. */
  readonly #waiting = new Set<Notifier>();

  constructor(options: ConfigurationSenderOptions) {
    this.#options = options;
  }

  /** Sets the desired configuration. Nothing is sent when it equals the former one. */
  setDesired(desired: Configure): void {
    const bytes = encodeMessage(ConfigureSchema, desired);
    if (this.#desiredBytes && equalBytes(this.#desiredBytes, bytes)) return;
    this.#desired = desired;
    this.#desiredBytes = bytes;
    for (const waiting of this.#waiting) waiting.notify();
  }

  /**
   * Keeps the device configured while one link is up: resolves when the signal is aborted. Failures
   * are logged and retried. Calls `onConfigured` once, after the first success.
   */
  async run(
    { signal, onConfigured }: {
      signal: AbortSignal;
      onConfigured: () => void;
    },
  ): Promise<void> {
    const backoff = createBackoff({
      initialDelayMs: 500,
      maxDelayMs: 30_000,
      jitter: 0.5,
    });
    let sent: Configure | undefined;
    while (!signal.aborted) {
      const desired = this.#desired;
      let retryMs: number | undefined;
      if (desired && desired !== sent) {
        try {
          await this.#send(desired, signal);
          if (!sent) onConfigured();
          sent = desired;
          backoff.reset();
        } catch (error) {
          if (signal.aborted) return;
          retryMs = backoff.next();
          this.#options.log.warn("device was not configured, will retry", {
            error,
          });
        }
      }
      if (this.#desired === sent || retryMs !== undefined) {
        await this.#waitForChange(signal, retryMs);
      }
    }
  }

  async #send(desired: Configure, signal: AbortSignal): Promise<void> {
    const { session, settings } = this.#options;
    await session.request(
      Method.CONFIGURE,
      encodeMessage(ConfigureSchema, desired),
      { timeoutMs: settings.requestTimeoutMs, signal },
    );
  }

  /** Resolves at the next change, after the delay, or when the signal is aborted. */
  async #waitForChange(
    signal: AbortSignal,
    delayMs: number | undefined,
  ): Promise<void> {
    const changed = new Notifier();
    const timer = delayMs === undefined
      ? undefined
      : setTimeout(() => changed.notify(), delayMs);
    this.#waiting.add(changed);
    try {
      await changed.wait(signal);
    } catch {
      // Aborted: the caller's loop ends.
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(changed);
    }
  }
}

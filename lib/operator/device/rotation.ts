// SPDX-License-Identifier: Apache-2.0
/** Sends a rotated credential to its device. */
import { equalBytes, type Logger } from "../../shared/base/mod.ts";
import {
  encodeMessage,
  Method,
  RotateCredentialSchema,
} from "../../shared/wire/mod.ts";
import type { DeviceSettings, SyncQueue } from "./context.ts";
import type { Credential } from "./credential.ts";
import type { DeviceLink } from "./link.ts";

const RETRY_MS = 10_000;

/** Options of {@linkcode KeyRotation}. */
export interface KeyRotationOptions {
  device: { readonly name: string; readonly settings: DeviceSettings };
  credential: Credential;
  link: DeviceLink;
  queue: SyncQueue;
  log: Logger;
  /** Ends a request that is in progress. */
  signal: AbortSignal;
}

/**
 * Completes the rotation of one device's credential: sends the new key, and confirms it once a link
 * was made with it. The agent connects anew within seconds after its response.
 */
export class KeyRotation {
  readonly #options: KeyRotationOptions;
  #sending: Promise<void> | undefined;
  /** The key that the agent has stored since its link is up; it connects with that next. */
  #stored: Uint8Array | undefined;

  constructor(options: KeyRotationOptions) {
    this.#options = options;
  }

  /**
   * Sends the new key in the background when a rotation is in progress and the link is up. Does
   * nothing while an earlier attempt runs, or when the agent has responded to one on this link.
   * After a failure the device is enqueued again.
   */
  send(): void {
    const { credential, link } = this.#options;
    if (!credential.isRotating || !link.isUp || this.#sending) return;
    const key = credential.keys?.key;
    if (!key || (this.#stored && equalBytes(this.#stored, key))) return;
    this.#sending = this.#send(key).finally(() => {
      this.#sending = undefined;
    });
  }

  /**
   * A link is up whose agent proved to have this key: ends the rotation if it is the new one. With
   * the previous one the new one is sent again.
   */
  onLinkUp(key: Uint8Array): void {
    this.#stored = undefined;
    const { credential, device, log, queue } = this.#options;
    const present = credential.keys?.key;
    if (!credential.isRotating || !present || !equalBytes(present, key)) return;
    credential.confirm();
    log.info("credential was rotated");
    queue.enqueue(device.name);
  }

  /** Resolves when no request is in progress. */
  async settled(): Promise<void> {
    await this.#sending;
  }

  /** Never rejects. */
  async #send(key: Uint8Array): Promise<void> {
    const { device, link, log, queue, signal } = this.#options;
    try {
      await link.session.request(
        Method.ROTATE_CREDENTIAL,
        encodeMessage(RotateCredentialSchema, { key }),
        { timeoutMs: device.settings.requestTimeoutMs, signal },
      );
      this.#stored = key;
      log.info("device has stored its new credential");
    } catch (error) {
      if (signal.aborted) return;
      log.warn("new credential was not sent to the device, will retry", {
        error,
      });
      queue.enqueue(device.name, { afterMs: RETRY_MS });
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The device's credential and its rotation over the link. */
import {
  AranyaError,
  type Clock,
  defined,
  equalBytes,
  KEY_BYTES,
  type Logger,
  Sequencer,
  SYSTEM_CLOCK,
} from "../shared/base/mod.ts";
import { replaceCredential } from "../shared/config/mod.ts";
import { decodeMessage, RotateCredentialSchema } from "../shared/wire/mod.ts";
import type { CredentialRotation } from "./commands/mod.ts";
import type { ConfigFile } from "./config_file.ts";
import type { StateStore } from "./state/mod.ts";

/** Options of {@linkcode CredentialStore.open}. */
export interface CredentialStoreOptions {
  /** The credential in agent.yaml. */
  key: Uint8Array;
  configFile: ConfigFile;
  /** Where the previous credential is kept. */
  store: StateStore;
  log: Logger;
  /**
   * Makes the agent connect anew: some time after a rotation, and when the previous credential has
   * expired. @default none
   */
  reconnect?: () => void;
  /** @default the machine's */
  clock?: Clock;
  /** Cancels pending reconnects. */
  signal?: AbortSignal;
}

/**
 * Time between the response to a rotation and the reconnect, in milliseconds: the response must
 * reach the operator first.
 */
const RECONNECT_DELAY_MS = 1000;
/** How long the previous credential is used after a rotation, and again after a start. */
const PREVIOUS_KEY_MS = 3_600_000;

const EMPTY_RESPONSE = new Uint8Array();
/** Record of the previous credential. */
const PREVIOUS = { kind: "setting", key: "previous-credential" } as const;

/** The credential before a rotation that is not complete. */
interface PreviousKey {
  key: Uint8Array;
  /** In the clock's monotonic time. */
  expiresAtMs: number;
}

/**
 * Holds the device's credential, and the previous one during a rotation. The new one is in
 * agent.yaml before the operator gets the response. The previous one is kept until a link was
 * opened with the new one, because the operator's storage may have lost the new one. While the
 * agent accepts the previous one, anyone who knows that one can impersonate the operator. The agent
 * therefore reconnects soon, accepts no rotation over a link that was made with it, and drops it
 * after an hour.
 */
export class CredentialStore implements CredentialRotation {
  readonly #options: CredentialStoreOptions;
  readonly #clock: Clock;
  #key: Uint8Array;
  #previous: PreviousKey | undefined;
  /** The credential that the last link was made with. */
  #linkKey: Uint8Array | undefined;
  /** Aborted to end the wait for the end of a link with the previous credential. */
  #linkEnd = new AbortController();
  /** Rotations one after the other. */
  readonly #rotations = new Sequencer<"rotate">();

  private constructor(
    options: CredentialStoreOptions,
    previousKey: Uint8Array | undefined,
  ) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#key = options.key;
    if (previousKey) this.#setPrevious(previousKey);
  }

  /** Reads the previous credential of a rotation that was not completed before the start. */
  static async open(options: CredentialStoreOptions): Promise<CredentialStore> {
    const previous = await options.store.read(PREVIOUS);
    // A rotation that failed leaves the current credential there.
    const isOther = previous && !equalBytes(previous, options.key);
    return new CredentialStore(options, isOther ? previous : undefined);
  }

  /** The credential in agent.yaml. */
  get key(): Uint8Array {
    return this.#key;
  }

  /** The credential before a rotation that is not complete, unless it has expired. */
  get previousKey(): Uint8Array | undefined {
    const { key, expiresAtMs = 0 } = this.#previous ?? {};
    return this.#clock.monotonicMs() < expiresAtMs ? key : undefined;
  }

  /**
   * Records the credential that a link was opened with. The current one completes a rotation; a
   * link with the previous one is ended when that expires.
   */
  async onKeyAccepted(key: Uint8Array): Promise<void> {
    this.#linkKey = key;
    this.#linkEnd.abort();
    if (!this.#previous) return;
    if (key === this.#key) return await this.#dropPrevious();
    this.#options.log.warn(
      "operator refused the credential, connected with the previous one",
    );
    this.#endLinkLater(this.#previous);
  }

  /** Executes METHOD_ROTATE_CREDENTIAL. */
  rotate(payload: Uint8Array): Promise<Uint8Array> {
    const linkKey = this.#linkKey;
    return this.#rotations.run("rotate", () => this.#rotate(payload, linkKey));
  }

  async #rotate(
    payload: Uint8Array,
    linkKey: Uint8Array | undefined,
  ): Promise<Uint8Array> {
    const { key } = decodeMessage(RotateCredentialSchema, payload);
    const { configFile, store, log } = this.#options;
    if (key.length !== KEY_BYTES) {
      throw new AranyaError(
        "invalid",
        `Cannot rotate credential: the new one has ${key.length} bytes, expected ${KEY_BYTES}`,
      );
    }
    // The operator repeats a request whose response it did not get.
    if (equalBytes(key, this.#key)) return EMPTY_RESPONSE;
    // Else anyone who knows the previous one could displace, by two requests, what the operator
    // has.
    if (linkKey && !equalBytes(linkKey, this.#key)) {
      throw new AranyaError(
        "unauthorized",
        "Cannot rotate credential: the link was made with the previous one, expected the present one",
      );
    }
    await store.write(PREVIOUS, this.#key);
    await configFile.change({
      action: "Cannot rotate credential",
      toText: (text) => replaceCredential(text, key),
    });
    this.#setPrevious(this.#key);
    this.#key = key;
    log.info("credential was replaced");
    this.#reconnectSoon();
    return EMPTY_RESPONSE;
  }

  #setPrevious(key: Uint8Array): void {
    const expiresAtMs = this.#clock.monotonicMs() + PREVIOUS_KEY_MS;
    this.#previous = { key, expiresAtMs };
  }

  async #dropPrevious(): Promise<void> {
    this.#previous = undefined;
    const { store, log } = this.#options;
    try {
      await store.remove(PREVIOUS);
    } catch (error) {
      // The link is fine. After a restart the record is removed with the next link.
      log.warn("previous credential was not removed from the disk", { error });
    }
  }

  #reconnectSoon(): void {
    const { reconnect, signal } = this.#options;
    if (!reconnect) return;
    this.#clock.sleep(RECONNECT_DELAY_MS, defined({ signal })).then(
      reconnect,
      () => {},
    );
  }

  /** Drops the previous credential, and ends the link that was made with it, when it expires. */
  #endLinkLater(previous: PreviousKey): void {
    const { log, reconnect, signal } = this.#options;
    const linkEnd = new AbortController();
    this.#linkEnd = linkEnd;
    const delayMs = previous.expiresAtMs - this.#clock.monotonicMs();
    this.#clock.sleep(delayMs, {
      signal: signal
        ? AbortSignal.any([signal, linkEnd.signal])
        : linkEnd.signal,
    }).then(async () => {
      log.warn("previous credential has expired");
      await this.#dropPrevious();
      reconnect?.();
    }, () => {});
  }
}

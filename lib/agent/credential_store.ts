// SPDX-License-Identifier: Apache-2.0
/** The device's credential and its rotation over the link. */
import {
  AranyaError,
  type Clock,
  defined,
  equalBytes,
  KEY_BYTES,
  type Logger,
  SYSTEM_CLOCK,
} from "../shared/base/mod.ts";
import { decodeMessage, RotateCredentialSchema } from "../shared/wire/mod.ts";
import type { CredentialRotation } from "./commands/mod.ts";
import { type ConfigFile, replaceCredential } from "./config_file.ts";
import type { StateStore } from "./state/mod.ts";

/** Options of {@linkcode CredentialStore.open}. */
export interface CredentialStoreOptions {
  /** The credential in agent.yaml. */
  key: Uint8Array;
  configFile: ConfigFile;
  /** Where the previous credential is kept. */
  store: StateStore;
  log: Logger;
  /** Called some time after a rotation, to connect with the new credential. @default none */
  onRotated?: () => void;
  /** @default the machine's */
  clock?: Clock;
  /** Ends the wait for that. */
  signal?: AbortSignal;
}

/** For the response to reach the operator, in milliseconds. */
const RECONNECT_DELAY_MS = 1000;

const EMPTY_RESPONSE = new Uint8Array();
/** Record of the previous credential. */
const PREVIOUS = { kind: "setting", key: "previous-credential" } as const;

/**
 * Holds the device's credential, and the previous one during a rotation. The new one is in
 * agent.yaml before the operator gets the response. The previous one is kept until a link was
 * opened with the new one, because the operator's storage may have lost the new one. The agent
 * therefore connects again soon: as long as it has the previous one, who knows that could act as
 * the operator.
 */
export class CredentialStore implements CredentialRotation {
  readonly #options: CredentialStoreOptions;
  #key: Uint8Array;
  #previousKey: Uint8Array | undefined;

  private constructor(
    options: CredentialStoreOptions,
    previousKey: Uint8Array | undefined,
  ) {
    this.#options = options;
    this.#key = options.key;
    this.#previousKey = previousKey;
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

  /** The credential before a rotation that is not complete. */
  get previousKey(): Uint8Array | undefined {
    return this.#previousKey;
  }

  /** Completes a rotation after a link was opened with this key, if it is the current one. */
  async onKeyAccepted(key: Uint8Array): Promise<void> {
    if (key !== this.#key || !this.#previousKey) return;
    this.#previousKey = undefined;
    const { store, log } = this.#options;
    try {
      await store.remove(PREVIOUS);
    } catch (error) {
      // The link is fine. After a restart the record is removed with the next link.
      log.warn("previous credential was not removed from the disk", { error });
    }
  }

  async rotate(payload: Uint8Array): Promise<Uint8Array> {
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
    await store.write(PREVIOUS, this.#key);
    await configFile.change({
      action: "Cannot rotate credential",
      toText: (text) => replaceCredential(text, key),
    });
    this.#previousKey = this.#key;
    this.#key = key;
    log.info("credential was replaced");
    this.#reconnectSoon();
    return EMPTY_RESPONSE;
  }

  #reconnectSoon(): void {
    const { clock = SYSTEM_CLOCK, onRotated, signal } = this.#options;
    if (!onRotated) return;
    clock.sleep(RECONNECT_DELAY_MS, defined({ signal })).then(
      onRotated,
      () => {},
    );
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The credential of one device. */
import { defined, equalBytes, KEY_BYTES } from "../../shared/base/mod.ts";
import type { Secret } from "../kube/mod.ts";
import { createCredential } from "../pki/mod.ts";
import { fromBase64, secretText, toBase64 } from "./objects.ts";

/** Key of the credential in the device's Secret. */
const TOKEN_KEY = "token";
/** Key of the previous credential in the device's Secret, while a rotation is in progress. */
const PREVIOUS_TOKEN_KEY = "previous-token";

/** Keys that an agent of the device may prove itself with. */
export interface CredentialKeys {
  key: Uint8Array;
  /** Accepted too until the device has confirmed the new one. */
  previousKey?: Uint8Array;
}

/**
 * Holds the device's keys in memory. They are stored in the device's Secret; `AgentSecret` writes
 * there what `toSecretValues` returns.
 *
 * A rotation: `rotate` makes a new key beside the previous one, the Secret is written, the device
 * is sent the new key, it connects with that, and `confirm` drops the previous one.
 */
export class Credential {
  #keys: CredentialKeys | undefined;
  /** The key that the device confirmed last. */
  #confirmed: Uint8Array | undefined;

  /** The keys that are accepted now; undefined: none, or not known yet. */
  get keys(): CredentialKeys | undefined {
    return this.#keys;
  }

  /** Whether a rotation waits for the device's confirmation. */
  get isRotating(): boolean {
    return this.#keys?.previousKey !== undefined;
  }

  /** Returns whether this key is accepted now. */
  accepts(key: Uint8Array): boolean {
    const { key: present, previousKey } = this.#keys ?? {};
    return [present, previousKey].some((each) =>
      each !== undefined && equalBytes(each, key)
    );
  }

  /**
   * Adopts the keys of the Secret, or makes a new key when it has none. Links made with a key that
   * is no longer accepted must be closed afterwards.
   */
  adopt(secret: Secret | undefined): void {
    if (!secret && this.#keys) return;
    const key = readKey(secret, TOKEN_KEY) ?? createCredential();
    // The informer may still have the Secret of before the confirmation.
    const previousKey = this.#confirmed && equalBytes(this.#confirmed, key)
      ? undefined
      : readKey(secret, PREVIOUS_TOKEN_KEY);
    this.#keys = { key, ...defined({ previousKey }) };
  }

  /** Drops all keys, after the Secret was deleted. The next `adopt` makes a new one. */
  revoke(): void {
    this.#keys = undefined;
  }

  /**
   * Makes a new key; from now on both are accepted. Returns them; undefined, without any effect,
   * while a rotation is in progress.
   */
  rotate(): CredentialKeys | undefined {
    if (!this.#keys || this.isRotating) return undefined;
    this.#keys = { key: createCredential(), previousKey: this.#keys.key };
    return this.#keys;
  }

  /**
   * Undoes a rotation, after the Secret could not be written: what `rotate` returned. Does nothing
   * when the keys were changed since, or when it made none.
   */
  undoRotation(rotated: CredentialKeys | undefined): void {
    if (!rotated?.previousKey || this.#keys !== rotated) return;
    this.#keys = { key: rotated.previousKey };
  }

  /** Drops the previous key, after the device has proved that it has the new one. */
  confirm(): void {
    if (!this.#keys) return;
    this.#confirmed = this.#keys.key;
    this.#keys = { key: this.#keys.key };
  }

  /** Returns the values to store in the Secret, by key; null: the key has to be removed. */
  toSecretValues(): Record<string, string | null> {
    const { key, previousKey } = this.#keys ?? {};
    return {
      [TOKEN_KEY]: key ? toBase64(key) : null,
      [PREVIOUS_TOKEN_KEY]: previousKey ? toBase64(previousKey) : null,
    };
  }
}

/** The stored text is base64 itself, so that it can be copied into agent.yaml. */
function readKey(
  secret: Secret | undefined,
  name: string,
): Uint8Array | undefined {
  const key = fromBase64(secretText(secret, name)?.trim() ?? "");
  return key?.length === KEY_BYTES ? key : undefined;
}

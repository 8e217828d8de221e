// SPDX-License-Identifier: Apache-2.0
/** One device's credential: where it is read from, when a former one is still good, and when it has been revoked. */
import { equalBytes, KEY_BYTES } from "../../shared/base/mod.ts";
import type { Secret } from "../kube/mod.ts";
import { createCredential } from "../pki/mod.ts";
import { fromBase64, secretText, toBase64 } from "./objects.ts";

/** Key of the credential in the device's Secret. */
export const TOKEN_KEY = "token";
/** Key of the former credential while a rotation is under way. */
export const PREVIOUS_TOKEN_KEY = "previous-token";

/** What a device may prove itself with. */
export interface CredentialKeys {
  key: Uint8Array;
  /** Accepted too until the device has confirmed the new one. */
  previousKey?: Uint8Array;
}

/** Holds the keys; the Secret is where they last. */
export class Credential {
  #keys: CredentialKeys | undefined;
  #confirmed: Uint8Array | undefined;

  /** What is accepted now; undefined: nothing yet. */
  get keys(): CredentialKeys | undefined {
    return this.#keys;
  }

  /** Whether a rotation waits for the device's confirmation. */
  get rotating(): boolean {
    return this.#keys?.previousKey !== undefined;
  }

  /**
   * Takes what the Secret holds, or a new key when it holds none.
   * @returns whether the former key is no longer good: links made with it must end
   */
  adopt(secret: Secret | undefined): boolean {
    const before = this.#keys;
    const key = readKey(secret, TOKEN_KEY) ?? createCredential();
    // The Secret may still show a former key that the device no longer needs.
    const previousKey = this.#confirmed && equalBytes(this.#confirmed, key)
      ? undefined
      : readKey(secret, PREVIOUS_TOKEN_KEY);
    if (!secret && before) return false;
    this.#keys = { key, ...(previousKey ? { previousKey } : {}) };
    if (!before) return false;
    return !equalBytes(key, before.key) &&
      !(previousKey && equalBytes(previousKey, before.key));
  }

  /** The Secret was deleted: nothing that was accepted so far is accepted any more. */
  revoke(): void {
    this.#keys = undefined;
  }

  /** Begins a rotation: from now on both keys are good. */
  rotate(): void {
    if (!this.#keys || this.rotating) return;
    this.#keys = { key: createCredential(), previousKey: this.#keys.key };
  }

  /** The device has the new key: the former one is no longer good. */
  confirm(): void {
    if (!this.#keys) return;
    this.#confirmed = this.#keys.key;
    this.#keys = { key: this.#keys.key };
  }

  /** Takes a step back when the Secret could not be written. */
  restore(keys: CredentialKeys | undefined): void {
    this.#keys = keys;
  }

  /** The values of the Secret; null: not there. */
  toSecretValues(): Record<string, string | null> {
    const { key, previousKey } = this.#keys ?? {};
    return {
      [TOKEN_KEY]: key ? toBase64(key) : null,
      [PREVIOUS_TOKEN_KEY]: previousKey ? toBase64(previousKey) : null,
    };
  }
}

function readKey(
  secret: Secret | undefined,
  name: string,
): Uint8Array | undefined {
  const key = fromBase64(secretText(secret, name)?.trim() ?? "");
  return key?.length === KEY_BYTES ? key : undefined;
}

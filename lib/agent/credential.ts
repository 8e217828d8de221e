// SPDX-License-Identifier: Apache-2.0
/**
 * The device's credential and its rotation over the link. The new one is in agent.yaml before the operator hears so; the old one is
 * kept beside it until the new one has opened a link, for the operator may have failed between asking and keeping.
 */
import { dirname } from "node:path";
import {
  AranyaError,
  KEY_BYTES,
  type Logger,
  utf8,
} from "../shared/base/mod.ts";
import {
  fromDiskError,
  replaceFile,
  type StateStore,
  syncDir,
} from "./state/mod.ts";
import { decodeMessage, RotateCredentialSchema } from "../shared/wire/mod.ts";

/** Options of {@linkcode createCredentialKeeper}. */
export interface CredentialKeeperOptions {
  /** As agent.yaml holds it at the start. */
  key: Uint8Array;
  /** Path of agent.yaml. */
  configFile: string;
  store: StateStore;
  log: Logger;
}

/** See {@linkcode createCredentialKeeper}. */
export interface CredentialKeeper {
  /** Keys to try, the present one first. */
  keys(): Uint8Array[];
  /** A link was opened with this key. */
  used(key: Uint8Array): Promise<void>;
  /** METHOD_ROTATE_CREDENTIAL. @throws {AranyaError} when the file can't be rewritten; the old key then stays */
  rotate(payload: Uint8Array): Promise<Uint8Array>;
}

const PREVIOUS = { kind: "setting", key: "previous-credential" } as const;

/** Takes up where the last start left off. */
export async function createCredentialKeeper(
  options: CredentialKeeperOptions,
): Promise<CredentialKeeper> {
  const previous = await options.store.read(PREVIOUS);
  return new Keeper(options, previous);
}

class Keeper implements CredentialKeeper {
  readonly #options: CredentialKeeperOptions;
  #key: Uint8Array;
  #previous: Uint8Array | undefined;

  constructor(
    options: CredentialKeeperOptions,
    previous: Uint8Array | undefined,
  ) {
    this.#options = options;
    this.#key = options.key;
    this.#previous = previous;
  }

  keys(): Uint8Array[] {
    return this.#previous ? [this.#key, this.#previous] : [this.#key];
  }

  async used(key: Uint8Array): Promise<void> {
    if (key !== this.#key || !this.#previous) return;
    await this.#options.store.remove(PREVIOUS);
    this.#previous = undefined;
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
    await store.write(PREVIOUS, this.#key);
    this.#previous = this.#key;
    const text = await Deno.readTextFile(configFile).catch((error) => {
      throw fromDiskError(
        error,
        `Cannot rotate credential: cannot read "${configFile}"`,
      );
    });
    await rewrite(configFile, replaceCredential(text, key));
    this.#key = key;
    log.info("credential was replaced");
    return new Uint8Array();
  }
}

/**
 * The text with another credential, all else untouched.
 * @throws {AranyaError} code "internal" when the file writes it in a form that can't be replaced safely
 */
export function replaceCredential(text: string, key: Uint8Array): string {
  const pattern =
    /^(credential[ \t]*:[ \t]*)(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9+/=_-]+)([ \t]*(?:#.*)?)$/gm;
  const count = [...text.matchAll(pattern)].length;
  if (count !== 1) {
    throw new AranyaError(
      "internal",
      `Cannot rotate credential: agent.yaml has ${count} lines "credential: …" with the value on the same line, expected 1`,
    );
  }
  return text.replace(
    pattern,
    (_whole, before: string, after: string) =>
      `${before}${toBase64(key)}${after}`,
  );
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

async function rewrite(path: string, text: string): Promise<void> {
  const action = `Cannot rotate credential: cannot rewrite "${path}"`;
  try {
    const { mode } = await Deno.stat(path);
    await replaceFile({ path, content: utf8(text) }, {
      mode: (mode ?? 0o600) & 0o777,
    });
    await syncDir(dirname(path));
  } catch (error) {
    throw fromDiskError(error, action);
  }
}

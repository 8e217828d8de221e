// SPDX-License-Identifier: Apache-2.0
/**
 * The Noise pattern NNpsk0 (Noise Protocol Framework, revision 34, sections 5, 7.4 and 9) with X25519, ChaCha20-Poly1305 and SHA-256:
 *
 *     -> psk, e
 *     <- e, ee
 *
 * Names of functions and values follow the specification.
 */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import {
  AranyaError,
  concatBytes,
  fromHex,
  KEY_BYTES,
  utf8,
} from "../base/mod.ts";
import { openBytes, sealBytes, TAG_BYTES } from "./aead.ts";

/** The pattern's full name, mixed into every handshake. */
export const NOISE_NAME = "Noise_NNpsk0_25519_ChaChaPoly_SHA256";

/** DER around a raw X25519 public (SPKI) or private (PKCS #8) key, RFC 8410. */
const SPKI_PREFIX = fromHex("302a300506032b656e032100");
const PKCS8_PREFIX = fromHex("302e020100300506032b656e04220420");

const EMPTY = new Uint8Array(0);

/** Options of {@linkcode NoiseHandshake}. */
export interface NoiseHandshakeOptions {
  /** Who speaks first. */
  role: "initiator" | "responder";
  /** What both sides must agree on already. */
  prologue: Uint8Array;
  /** The pre-shared key, 32 bytes. */
  psk: Uint8Array;
  /** Raw private key for tests with fixed vectors. @default a new one */
  ephemeral?: Uint8Array;
}

/** What a finished handshake leaves: one key a direction, and the hash of all that was said. */
export interface NoiseKeys {
  sendKey: Uint8Array;
  receiveKey: Uint8Array;
  handshakeHash: Uint8Array;
}

/** One side of one handshake. The initiator writes, then reads; the responder reads, then writes; then both may `split` once. */
export class NoiseHandshake {
  readonly #role: "initiator" | "responder";
  readonly #psk: Uint8Array;
  readonly #ephemeral: Uint8Array | undefined;
  /** `ck`, `k` and `h` of the specification. `n` is always 0: each key seals one payload. */
  #chainingKey: Uint8Array;
  #key: Uint8Array = EMPTY;
  #hash: Uint8Array;
  #own: KeyObject | undefined;
  #peer: Uint8Array | undefined;

  constructor(options: NoiseHandshakeOptions) {
    if (options.psk.length !== KEY_BYTES) {
      throw new RangeError(
        `Cannot start handshake: the pre-shared key must have ${KEY_BYTES} bytes: current value has ${options.psk.length}`,
      );
    }
    this.#role = options.role;
    this.#psk = options.psk;
    this.#ephemeral = options.ephemeral;
    this.#hash = sha256(utf8(NOISE_NAME));
    this.#chainingKey = this.#hash;
    this.#mixHash(options.prologue);
  }

  /** This side's message, with a payload that is sealed. */
  writeMessage(payload: Uint8Array = EMPTY): Uint8Array {
    if (this.#role === "initiator") this.#mixKeyAndHash(this.#psk);
    this.#own = this.#ephemeral
      ? toPrivateKey(this.#ephemeral)
      : generateKeyPairSync("x25519").privateKey;
    const own = rawPublicKey(this.#own);
    this.#mixPublicKey(own);
    if (this.#role === "responder") this.#mixSharedSecret();
    const sealed = sealBytes(this.#key, {
      counter: 0,
      data: payload,
      associated: this.#hash,
    });
    this.#mixHash(sealed);
    return concatBytes([own, sealed]);
  }

  /** Takes the peer's message and gives its payload. @throws {AranyaError} code "unauthorized" when it wasn't made with our keys */
  readMessage(message: Uint8Array): Uint8Array {
    if (message.length < KEY_BYTES + TAG_BYTES) {
      throw unauthentic("its message is too short");
    }
    if (this.#role === "responder") this.#mixKeyAndHash(this.#psk);
    this.#peer = message.slice(0, KEY_BYTES);
    this.#mixPublicKey(this.#peer);
    if (this.#role === "initiator") this.#mixSharedSecret();
    const sealed = message.subarray(KEY_BYTES);
    const payload = openBytes(this.#key, {
      counter: 0,
      sealed,
      associated: this.#hash,
    });
    if (!payload) throw unauthentic("its message can't be opened");
    this.#mixHash(sealed);
    return payload;
  }

  /** Keys for what follows. */
  split(): NoiseKeys {
    if (!this.#own || !this.#peer) {
      throw new TypeError("Cannot split handshake: it is not finished");
    }
    const [down, up] = hkdf(this.#chainingKey, { input: EMPTY, count: 2 });
    const [sendKey, receiveKey] = this.#role === "initiator"
      ? [down, up]
      : [up, down];
    return {
      sendKey: sendKey ?? EMPTY,
      receiveKey: receiveKey ?? EMPTY,
      handshakeHash: this.#hash,
    };
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = sha256(this.#hash, data);
  }

  #mixKey(input: Uint8Array): void {
    const [chainingKey, key] = hkdf(this.#chainingKey, { input, count: 2 });
    this.#chainingKey = chainingKey ?? EMPTY;
    this.#key = key ?? EMPTY;
  }

  #mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, hash, key] = hkdf(this.#chainingKey, {
      input,
      count: 3,
    });
    this.#chainingKey = chainingKey ?? EMPTY;
    this.#mixHash(hash ?? EMPTY);
    this.#key = key ?? EMPTY;
  }

  /** Token "e"; with a pre-shared key the public key goes into the key as well (section 9.2). */
  #mixPublicKey(publicKey: Uint8Array): void {
    this.#mixHash(publicKey);
    this.#mixKey(publicKey);
  }

  /** Token "ee". */
  #mixSharedSecret(): void {
    if (!this.#own || !this.#peer) {
      throw new TypeError("Cannot mix handshake keys: one is missing");
    }
    let secret: Uint8Array;
    try {
      secret = diffieHellman({
        privateKey: this.#own,
        publicKey: createPublicKey({
          key: concatBytes([SPKI_PREFIX, this.#peer]) as never,
          format: "der",
          type: "spki",
        }),
      });
    } catch (error) {
      // Points of low order give no secret.
      throw unauthentic("its public key can't be used", error);
    }
    this.#mixKey(secret);
  }
}

function unauthentic(why: string, cause?: unknown): AranyaError {
  return new AranyaError(
    "unauthorized",
    `Cannot open handshake of peer: ${why}`,
    { cause },
  );
}

function sha256(...parts: Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** HKDF of section 4.3: `count` outputs of 32 bytes. */
function hkdf(
  chainingKey: Uint8Array,
  { input, count }: { input: Uint8Array; count: number },
): Uint8Array[] {
  const temporary = hmac(chainingKey, input);
  const outputs: Uint8Array[] = [];
  let last: Uint8Array = EMPTY;
  for (let index = 1; index <= count; index++) {
    last = hmac(temporary, concatBytes([last, Uint8Array.of(index)]));
    outputs.push(last);
  }
  return outputs;
}

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(data).digest();
}

function toPrivateKey(raw: Uint8Array): KeyObject {
  return createPrivateKey({
    key: concatBytes([PKCS8_PREFIX, raw]) as never,
    format: "der",
    type: "pkcs8",
  });
}

function rawPublicKey(privateKey: KeyObject): Uint8Array {
  const spki = createPublicKey(privateKey as never).export({
    format: "der",
    type: "spki",
  });
  return new Uint8Array(spki.subarray(SPKI_PREFIX.length));
}

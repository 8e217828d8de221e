// SPDX-License-Identifier: Apache-2.0
/** The Noise pattern NNpsk0 with X25519, ChaCha20-Poly1305 and SHA-256. */
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

/** Name of the protocol, mixed into every handshake (section 8). */
const NOISE_NAME = "Noise_NNpsk0_25519_ChaChaPoly_SHA256";

/** DER in front of a raw X25519 public (SPKI) or private (PKCS #8) key, RFC 8410. */
const SPKI_PREFIX = fromHex("302a300506032b656e032100");
const PKCS8_PREFIX = fromHex("302e020100300506032b656e04220420");

const EMPTY = new Uint8Array(0);

/** Options of {@linkcode NoiseHandshake}. */
export interface NoiseHandshakeOptions {
  /** The initiator sends the first message. */
  role: "initiator" | "responder";
  /** Values that both sides must agree on for the handshake to succeed. */
  prologue: Uint8Array;
  /** The pre-shared key, `KEY_BYTES` long. */
  psk: Uint8Array;
  /** Raw private key, for tests with fixed vectors. @default a new random one */
  ephemeral?: Uint8Array;
}

/** Result of a finished handshake: one key per direction. */
export interface NoiseKeys {
  sendKey: Uint8Array;
  receiveKey: Uint8Array;
  /** Hash of the whole exchange, the same at both sides (section 11.2). */
  handshakeHash: Uint8Array;
}

/**
 * One side of a handshake (Noise Protocol Framework, revision 34, sections 5, 7.4 and 9). Names
 * follow the specification.
 *
 * ```text
 * -> psk, e
 * <- e, ee
 * ```
 *
 * The initiator writes, then reads; the responder reads, then writes; then both may `split` once.
 */
export class NoiseHandshake {
  readonly #role: "initiator" | "responder";
  readonly #psk: Uint8Array;
  readonly #ephemeral: Uint8Array | undefined;
  /** `ck` of the specification. */
  #chainingKey: Uint8Array;
  /** `k`. Its nonce `n` is always 0, since each key encrypts one payload only. */
  #key: Uint8Array = EMPTY;
  /** `h`. */
  #hash: Uint8Array;
  /** `e`. */
  #ownKey: KeyObject | undefined;
  /** `re`. */
  #peerKey: Uint8Array | undefined;

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

  /** Returns this side's message, with an encrypted payload. */
  writeMessage(payload: Uint8Array = EMPTY): Uint8Array {
    if (this.#role === "initiator") this.#mixKeyAndHash(this.#psk);
    this.#ownKey = this.#ephemeral
      ? toPrivateKey(this.#ephemeral)
      : generateKeyPairSync("x25519").privateKey;
    const publicKey = rawPublicKey(this.#ownKey);
    this.#mixPublicKey(publicKey);
    if (this.#role === "responder") this.#mixSharedSecret();
    const sealed = sealBytes(this.#key, {
      counter: 0,
      data: payload,
      associated: this.#hash,
    });
    this.#mixHash(sealed);
    return concatBytes([publicKey, sealed]);
  }

  /**
   * Processes the peer's message and returns its payload. When it throws, another message may be
   * tried.
   * @throws {AranyaError} code "unauthorized" when it was made with another pre-shared key or
   * prologue
   */
  readMessage(message: Uint8Array): Uint8Array {
    const [chainingKey, key, hash, peerKey] = [
      this.#chainingKey,
      this.#key,
      this.#hash,
      this.#peerKey,
    ];
    try {
      return this.#readMessage(message);
    } catch (error) {
      this.#chainingKey = chainingKey;
      this.#key = key;
      this.#hash = hash;
      this.#peerKey = peerKey;
      throw error;
    }
  }

  #readMessage(message: Uint8Array): Uint8Array {
    if (message.length < KEY_BYTES + TAG_BYTES) {
      throw invalidMessage("it is too short");
    }
    if (this.#role === "responder") this.#mixKeyAndHash(this.#psk);
    this.#peerKey = message.slice(0, KEY_BYTES);
    this.#mixPublicKey(this.#peerKey);
    if (this.#role === "initiator") this.#mixSharedSecret();
    const sealed = message.subarray(KEY_BYTES);
    const payload = openBytes(this.#key, {
      counter: 0,
      sealed,
      associated: this.#hash,
    });
    if (!payload) throw invalidMessage("it can't be decrypted");
    this.#mixHash(sealed);
    return payload;
  }

  /**
   * Returns the keys for transport messages.
   * @throws {TypeError} before the end of the handshake
   */
  split(): NoiseKeys {
    if (!this.#ownKey || !this.#peerKey) {
      throw new TypeError("Cannot split handshake: a message is missing");
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

  /**
   * Token "e". In a handshake with a pre-shared key the public key is mixed into the key too
   * (section 9.2).
   */
  #mixPublicKey(publicKey: Uint8Array): void {
    this.#mixHash(publicKey);
    this.#mixKey(publicKey);
  }

  /**
   * Token "ee".
   * @throws {AranyaError} code "unauthorized" when the peer's public key can't be used
   */
  #mixSharedSecret(): void {
    if (!this.#ownKey || !this.#peerKey) {
      throw new TypeError("Cannot mix handshake keys: one is missing");
    }
    let secret: Uint8Array;
    try {
      secret = diffieHellman({
        privateKey: this.#ownKey,
        publicKey: createPublicKey({
          key: concatBytes([SPKI_PREFIX, this.#peerKey]) as never,
          format: "der",
          type: "spki",
        }),
      });
    } catch (error) {
      // A point of low order has no shared secret.
      throw invalidMessage("its public key can't be used", error);
    }
    this.#mixKey(secret);
  }
}

function invalidMessage(problem: string, cause?: unknown): AranyaError {
  return new AranyaError(
    "unauthorized",
    `Cannot authenticate handshake message: ${problem}`,
    { cause },
  );
}

function sha256(...parts: Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Returns `count` outputs of 32 bytes, HKDF of section 4.3. */
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

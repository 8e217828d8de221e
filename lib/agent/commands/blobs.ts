// SPDX-License-Identifier: Apache-2.0
/** Contents of volumes, fetched from the operator by hash. */
import { AranyaError, Sequencer } from "../../shared/base/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  BlobsSchema,
  decodeMessage,
  encodeMessage,
  FetchBlobsSchema,
  MAX_FETCHED_HASHES,
  Method,
} from "../../shared/wire/mod.ts";
import type { BlobRequest } from "../pods/mod.ts";

/** A MiB at 64 kbit/s takes two minutes. */
const REQUEST_TIMEOUT_MS = 300_000;
/** All requests are of one sequence. */
const SEQUENCE = "blobs";

/**
 * Fetches contents for all pods of the device. One request runs at a time: the operator bounds what
 * it holds for a device, and several would not be faster over one link.
 */
export class BlobFetcher {
  readonly #session: Pick<Session, "request" | "connected">;
  readonly #requests = new Sequencer();

  constructor(session: Pick<Session, "request" | "connected">) {
    this.#session = session;
  }

  /**
   * Returns contents in the order of their hashes, which must differ.
   * @throws {AranyaError} code "unavailable" at once without a link; the operator's error
   */
  async fetch(
    { podUid, hashes, signal }: BlobRequest,
  ): Promise<Uint8Array[]> {
    if (!this.#session.connected) {
      throw new AranyaError(
        "unavailable",
        "Cannot fetch content of volume: the device has no link to the operator",
      );
    }
    const contents: Uint8Array[] = [];
    while (contents.length < hashes.length) {
      const rest = hashes.slice(contents.length);
      const sha256 = rest.slice(0, MAX_FETCHED_HASHES);
      contents.push(
        ...await this.#requests.run(SEQUENCE, () => {
          signal.throwIfAborted();
          return this.#request({ podUid, sha256, signal });
        }),
      );
    }
    return contents;
  }

  /** Returns the contents of the first hashes, at least one. */
  async #request(
    { podUid, sha256, signal }: {
      podUid: string;
      sha256: string[];
      signal: AbortSignal;
    },
  ): Promise<Uint8Array[]> {
    const response = await this.#session.request(
      Method.FETCH_BLOBS,
      encodeMessage(FetchBlobsSchema, { podUid, sha256 }),
      { timeoutMs: REQUEST_TIMEOUT_MS, signal },
    );
    const { contents } = decodeMessage(BlobsSchema, response);
    if (contents.length > 0 && contents.length <= sha256.length) {
      return contents;
    }
    throw new AranyaError(
      "invalid",
      `Cannot fetch content of volume: the operator sent ${contents.length} contents, expected 1 to ${sha256.length}`,
    );
  }
}

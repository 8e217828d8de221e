// SPDX-License-Identifier: Apache-2.0
/** Contents of volumes' files, asked from the operator by hash. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  BlobsSchema,
  decodeMessage,
  encodeMessage,
  FetchBlobsSchema,
  Method,
} from "../../shared/wire/mod.ts";

/** Several small answers rather than a huge one, which could be too large for the session. */
const HASHES_A_REQUEST = 8;
/** A megabyte at 64 kbit/s takes two minutes. */
const REQUEST_TIMEOUT_MS = 300_000;

/** Options of {@linkcode fetchBlobs}. */
export interface FetchBlobsOptions {
  podUid: string;
  hashes: readonly string[];
  signal: AbortSignal;
}

/** Contents in the order asked for. @throws {AranyaError} when they can't be had now */
export async function fetchBlobs(
  session: Pick<Session, "request" | "connected">,
  { podUid, hashes, signal }: FetchBlobsOptions,
): Promise<Uint8Array[]> {
  if (!session.connected) {
    throw new AranyaError(
      "unavailable",
      "Cannot fetch content of volume: the device has no link to the operator",
    );
  }
  const contents: Uint8Array[] = [];
  for (let at = 0; at < hashes.length; at += HASHES_A_REQUEST) {
    const answer = await session.request(
      Method.FETCH_BLOBS,
      encodeMessage(FetchBlobsSchema, {
        podUid,
        sha256: hashes.slice(at, at + HASHES_A_REQUEST),
      }),
      { timeoutMs: REQUEST_TIMEOUT_MS, signal },
    );
    contents.push(...decodeMessage(BlobsSchema, answer).contents);
  }
  return contents;
}

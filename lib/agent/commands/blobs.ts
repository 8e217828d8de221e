// SPDX-License-Identifier: Apache-2.0
/** Contents of volumes, fetched from the operator by hash. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  BlobsSchema,
  decodeMessage,
  encodeMessage,
  FetchBlobsSchema,
  Method,
} from "../../shared/wire/mod.ts";
import type { BlobRequest } from "../pods/mod.ts";

/** Keeps a response below the limit of a session's values. */
const MAX_HASHES_PER_REQUEST = 8;
/** A MiB at 64 kbit/s takes two minutes. */
const REQUEST_TIMEOUT_MS = 300_000;

/**
 * Returns contents in the order of their hashes.
 * @throws {AranyaError} code "unavailable" at once without a link; the operator's error
 */
export async function fetchBlobs(
  session: Pick<Session, "request" | "connected">,
  { podUid, hashes, signal }: BlobRequest,
): Promise<Uint8Array[]> {
  if (!session.connected) {
    throw new AranyaError(
      "unavailable",
      "Cannot fetch content of volume: the device has no link to the operator",
    );
  }
  const contents: Uint8Array[] = [];
  for (
    let start = 0;
    start < hashes.length;
    start += MAX_HASHES_PER_REQUEST
  ) {
    const response = await session.request(
      Method.FETCH_BLOBS,
      encodeMessage(FetchBlobsSchema, {
        podUid,
        sha256: hashes.slice(start, start + MAX_HASHES_PER_REQUEST),
      }),
      { timeoutMs: REQUEST_TIMEOUT_MS, signal },
    );
    contents.push(...decodeMessage(BlobsSchema, response).contents);
  }
  return contents;
}

// SPDX-License-Identifier: Apache-2.0
/** Downloads of official releases, verified by their published SHA-256. */
import { createHash } from "node:crypto";
import {
  AranyaError,
  concatBytes,
  fromUtf8,
  onAbort,
} from "../../lib/shared/base/mod.ts";
import { dirname } from "../base/paths.ts";
import type { Progress } from "../base/terminal.ts";

/**
 * Time for the first byte of the body. Short, so that a machine without internet access builds
 * soon.
 */
const CONNECT_TIMEOUT_MS = 4_000;
/** Time without a byte after which a download counts as broken. */
const STALL_TIMEOUT_MS = 15_000;
/** Attempts, when a connection breaks after the server has answered. */
const ATTEMPTS = 2;

/** Options of all downloads. */
export interface TransferOptions {
  /** Ends the download; its reason is thrown. */
  signal?: AbortSignal | undefined;
  /** @default 15000 */
  stallTimeoutMs?: number;
}

/** Options of {@linkcode download}. */
export interface DownloadOptions extends TransferOptions {
  url: string;
  /** Lower-case hexadecimal SHA-256 of the file. */
  sha256: string;
  /** Where the file is written; its folder is made. */
  path: string;
  progress?: Progress;
}

/** Returns a small text, e.g. a list of checksums. @throws {AranyaError} "unavailable" */
export async function downloadText(
  url: string,
  options: TransferOptions = {},
): Promise<string> {
  return await withRetry(async () => {
    const parts: Uint8Array[] = [];
    for await (const { chunk } of receive(url, options)) parts.push(chunk);
    return fromUtf8(concatBytes(parts));
  });
}

/**
 * Downloads a file and verifies it.
 * @throws {AranyaError} "unavailable" when it can't be had, "conflict" when its checksum differs
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { url, sha256, path } = options;
  await Deno.mkdir(dirname(path), { recursive: true });
  const actual = await withRetry(() => receiveFile(options));
  if (actual !== sha256) {
    throw new AranyaError(
      "conflict",
      `Cannot use download ${url}: its SHA-256 is ${actual}, expected ${sha256}`,
    );
  }
}

/** Writes the file and returns its SHA-256. */
async function receiveFile(options: DownloadOptions): Promise<string> {
  const { url, path, progress } = options;
  const hash = createHash("sha256");
  let doneBytes = 0;
  using file = await Deno.open(path, {
    write: true,
    create: true,
    truncate: true,
  });
  for await (const { chunk, totalBytes } of receive(url, options)) {
    hash.update(chunk);
    for (let at = 0; at < chunk.length;) {
      at += await file.write(chunk.subarray(at));
    }
    doneBytes += chunk.length;
    progress?.update(
      `${megabytes(doneBytes)} of ${megabytes(totalBytes)} MB of ${url}`,
    );
  }
  return hash.digest("hex");
}

/** Repeats a transfer whose connection broke in the middle of the body. */
async function withRetry<T>(transfer: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await transfer();
    } catch (error) {
      const isBroken = error instanceof AranyaError && error.details?.hasBegun;
      if (!isBroken || attempt === ATTEMPTS) throw error;
    }
  }
}

/**
 * Yields the body of one request. Every failure is "unavailable"; detail `hasBegun`: in the body.
 */
async function* receive(
  url: string,
  options: TransferOptions,
): AsyncGenerator<{ chunk: Uint8Array; totalBytes: number }> {
  const { signal, stallTimeoutMs = STALL_TIMEOUT_MS } = options;
  const controller = new AbortController();
  using _listener = onAbort(signal, (reason) => controller.abort(reason));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const restartTimer = (timeoutMs: number) => {
    clearTimeout(timer);
    timer = setTimeout(
      () =>
        controller.abort(new Error(`no data for ${timeoutMs / 1000} seconds`)),
      timeoutMs,
    );
  };
  let hasBegun = false;
  try {
    restartTimer(Math.min(CONNECT_TIMEOUT_MS, stallTimeoutMs));
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok) {
      await response.body?.cancel();
      throw new AranyaError(
        "unavailable",
        `Cannot download ${url}: the server answers ${response.status}`,
      );
    }
    hasBegun = true;
    const totalBytes = Number(response.headers.get("content-length") ?? 0);
    for await (const chunk of response.body ?? []) {
      restartTimer(stallTimeoutMs);
      yield { chunk, totalBytes };
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof AranyaError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new AranyaError("unavailable", `Cannot download ${url}: ${text}`, {
      cause: error,
      details: { hasBegun },
    });
  } finally {
    clearTimeout(timer);
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(0);
}

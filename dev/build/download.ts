// SPDX-License-Identifier: Apache-2.0
/** Official downloads, checked by their published SHA-256, given up at once where there is no way out. */
import { createHash } from "node:crypto";
import { AranyaError } from "../../lib/shared/base/mod.ts";
import { dirname } from "../base/paths.ts";
import type { Progress } from "../base/say.ts";

/** No answer to the first request within this time means no way out. */
const CONNECT_TIMEOUT_MS = 4_000;
/** A download that brings nothing for this long is over. */
const STALL_TIMEOUT_MS = 15_000;

/** Options of {@linkcode download}. */
export interface DownloadOptions {
  url: string;
  /** Lower-case hexadecimal SHA-256 of the file. */
  sha256: string;
  /** Where it is put. */
  path: string;
  progress?: Progress;
}

/** A small text, e.g. a list of checksums. @throws {AranyaError} "unavailable" */
export async function downloadText(url: string): Promise<string> {
  const response = await ask(url, AbortSignal.timeout(CONNECT_TIMEOUT_MS));
  return await response.text();
}

/** Brings a file and checks it. @throws {AranyaError} "unavailable" when it can't be had, "conflict" when its checksum is another */
export async function download(options: DownloadOptions): Promise<void> {
  const { url, sha256, path, progress } = options;
  const stall = new AbortController();
  let timer = setTimeout(() => stall.abort(), CONNECT_TIMEOUT_MS);
  try {
    const response = await ask(url, stall.signal);
    const totalBytes = Number(response.headers.get("content-length") ?? 0);
    const hash = createHash("sha256");
    let doneBytes = 0;
    await Deno.mkdir(dirname(path), { recursive: true });
    using file = await Deno.open(path, {
      write: true,
      create: true,
      truncate: true,
    });
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(() => stall.abort(), STALL_TIMEOUT_MS);
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) {
        at += await file.write(chunk.subarray(at));
      }
      doneBytes += chunk.length;
      progress?.at(
        `${megabytes(doneBytes)} of ${megabytes(totalBytes)} MB of ${url}`,
      );
    }
    const actual = hash.digest("hex");
    if (actual !== sha256) {
      throw new AranyaError(
        "conflict",
        `Cannot use download ${url}: its SHA-256 is ${actual}, expected ${sha256}`,
      );
    }
  } finally {
    clearTimeout(timer);
  }
}

async function ask(url: string, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { signal }).catch((error) => {
    throw new AranyaError(
      "unavailable",
      `Cannot download ${url}: ${error.message}`,
      {
        cause: error,
      },
    );
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new AranyaError(
      "unavailable",
      `Cannot download ${url}: the server answers ${response.status}`,
    );
  }
  return response;
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(0);
}

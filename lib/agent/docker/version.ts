// SPDX-License-Identifier: Apache-2.0
/** Versions of the Docker Engine API. */
import { AranyaError } from "../../shared/base/mod.ts";

/** Oldest version that has all calls of this room (Docker 20.10). */
export const MIN_API_VERSION = "1.41";
/** Newest version whose changes were checked (Docker 25); also the oldest that Docker 29 serves. */
export const MAX_API_VERSION = "1.44";

/**
 * Returns the newest version that both sides speak.
 * @param engineVersion the engine's newest version; undefined when it didn't name one
 * @param host the engine's address, for the error
 * @throws {AranyaError} code "unsupported" when the engine is too old
 */
export function selectApiVersion(
  engineVersion: string | undefined,
  host: string,
): string {
  const minor = parseMinor(engineVersion ?? "");
  if (minor < parseMinor(MIN_API_VERSION)) {
    throw new AranyaError(
      "unsupported",
      `Cannot use Docker at "${host}": it has API version ${
        engineVersion || "unknown"
      }, expected at least ${MIN_API_VERSION} (Docker 20.10)`,
    );
  }
  return `1.${Math.min(minor, parseMinor(MAX_API_VERSION))}`;
}

function parseMinor(version: string): number {
  return Number(version.match(/^1\.(\d+)$/)?.[1] ?? -1);
}

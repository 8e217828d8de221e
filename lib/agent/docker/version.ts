// SPDX-License-Identifier: Apache-2.0
/** Which version of the Engine API is spoken. */
import { AranyaError } from "../../shared/base/mod.ts";

/** The oldest that has what we use (Docker 20.10). */
export const MIN_API_VERSION = "1.41";
/** The newest that was read for changes (Docker 25); the oldest that Docker 29 serves. */
export const MAX_API_VERSION = "1.44";

/** The newest version that both sides speak. @throws {AranyaError} code "unsupported" when the engine is too old */
export function pickVersion(theirs: string | undefined, host: string): string {
  const minor = minorOf(theirs ?? "");
  if (minor < minorOf(MIN_API_VERSION)) {
    throw new AranyaError(
      "unsupported",
      `Cannot use Docker at "${host}": it speaks API version ${
        theirs ?? "unknown"
      }, expected at least ${MIN_API_VERSION} (Docker 20.10)`,
    );
  }
  return `1.${Math.min(minor, minorOf(MAX_API_VERSION))}`;
}

function minorOf(version: string): number {
  return Number(version.match(/^1\.(\d+)$/)?.[1] ?? -1);
}

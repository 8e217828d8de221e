// SPDX-License-Identifier: Apache-2.0
/** File names and URLs for the developers' programs. */
import { fileURLToPath } from "node:url";

export { dirname, join, relative, resolve } from "node:path";

/** Returns the path that a `file:` URL names. */
export function fromFileUrl(url: URL | string): string {
  return fileURLToPath(url);
}

/** Absolute path of the repository, without a trailing slash. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url))
  .replace(/\/$/, "");

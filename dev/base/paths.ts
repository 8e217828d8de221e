// SPDX-License-Identifier: Apache-2.0
/** File names and URLs for the developers' programs, under one name each. */
import { fileURLToPath } from "node:url";

export { dirname, join, relative } from "node:path";

/** The path that a `file:` URL names. */
export function fromFileUrl(url: URL | string): string {
  return fileURLToPath(url);
}

/** The repository's root folder. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url))
  .replace(/\/$/, "");

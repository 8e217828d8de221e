// SPDX-License-Identifier: Apache-2.0
/** The credential in agent.yaml. */
import { dirname } from "node:path";
import { AranyaError, utf8 } from "../shared/base/mod.ts";
import { fromDiskError, replaceFile, syncDir } from "./state/mod.ts";

/** Mode of a file whose own mode is unknown. */
const DEFAULT_MODE = 0o600;
const MODE_BITS = 0o777;

/**
 * Replaces the credential in agent.yaml; resolves when the new file is on the disk. A power cut
 * leaves either the old or the new file.
 * @param path of agent.yaml
 * @throws {AranyaError} when the file can't be read, changed or written
 */
export async function writeCredential(
  path: string,
  key: Uint8Array,
): Promise<void> {
  const text = await Deno.readTextFile(path).catch((error) => {
    throw fromDiskError(
      error,
      `Cannot rotate credential: cannot read "${path}"`,
    );
  });
  const content = utf8(replaceCredential(text, key));
  try {
    const { mode } = await Deno.stat(path);
    await replaceFile({ path, content }, {
      mode: (mode ?? DEFAULT_MODE) & MODE_BITS,
    });
    await syncDir(dirname(path));
  } catch (error) {
    throw fromDiskError(
      error,
      `Cannot rotate credential: cannot write "${path}"`,
    );
  }
}

/**
 * Returns the text of agent.yaml with another credential; everything else, comments included, stays
 * the same.
 * @throws {AranyaError} code "internal" when the credential isn't on one line of its own
 */
export function replaceCredential(text: string, key: Uint8Array): string {
  const pattern =
    /^(credential[ \t]*:[ \t]*)(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9+/=_-]+)([ \t]*(?:#.*)?)$/gm;
  const count = [...text.matchAll(pattern)].length;
  if (count !== 1) {
    throw new AranyaError(
      "internal",
      `Cannot rotate credential: agent.yaml has ${count} lines "credential: …" with the value on the same line, expected 1`,
    );
  }
  return text.replace(
    pattern,
    (_line, before: string, after: string) =>
      `${before}${toBase64(key)}${after}`,
  );
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

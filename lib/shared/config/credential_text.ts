// SPDX-License-Identifier: Apache-2.0
/** Changes the credential in the text of an agent.yaml. */
import { Buffer } from "node:buffer";
import { AranyaError } from "../base/mod.ts";

/**
 * Returns the text of agent.yaml with another credential; everything else, comments included, stays
 * the same.
 * @throws {AranyaError} code "invalid" when the credential isn't on one line of its own
 */
export function replaceCredential(text: string, key: Uint8Array): string {
  const pattern =
    /^(credential[ \t]*:[ \t]*)(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9+/=_-]+)([ \t]*(?:#.*)?)$/gm;
  const count = [...text.matchAll(pattern)].length;
  if (count !== 1) {
    throw new AranyaError(
      "invalid",
      `Cannot rotate credential: agent.yaml has ${count} lines "credential: …" with the value on the same line, expected 1`,
    );
  }
  const value = Buffer.from(key).toString("base64");
  return text.replace(
    pattern,
    (_line, before: string, after: string) => `${before}${value}${after}`,
  );
}

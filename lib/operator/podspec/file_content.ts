// SPDX-License-Identifier: Apache-2.0
/** Contents of volume files. */
import { utf8 } from "../../shared/base/mod.ts";

/**
 * Content of a file in the form in which Kubernetes objects hold it. The text is shared with the
 * object, so that keeping a content costs no copy; {@linkcode toFileBytes} makes the bytes on
 * demand.
 */
export interface FileContent {
  /** "utf8": the text is the content; "base64": it encodes the content, as in a Secret. */
  encoding: "utf8" | "base64";
  text: string;
}

/** Returns the bytes of a file. */
export function toFileBytes({ encoding, text }: FileContent): Uint8Array {
  return encoding === "utf8" ? utf8(text) : decodeBase64(text);
}

/**
 * Decodes standard base64 with padding.
 * @throws {SyntaxError} when the text is not base64
 */
export function decodeBase64(text: string): Uint8Array {
  return Uint8Array.fromBase64(text);
}

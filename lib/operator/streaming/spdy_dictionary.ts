// SPDX-License-Identifier: Apache-2.0
/**
 * The zlib dictionary of SPDY/3 header blocks (SPDY/3 draft, section 2.6.10.1). It is a part of the
 * wire format, byte for byte: names, each after its length in four bytes, then text without
 * lengths.
 */

/** Adler-32 of the dictionary, by which the header of a zlib stream names it. */
export const DICTIONARY_ID = 0xe3c6a7c2;

const NAMES = [
  "options head post put delete trace accept accept-charset accept-encoding",
  "accept-language accept-ranges age allow authorization cache-control",
  "connection content-base content-encoding content-language content-length",
  "content-location content-md5 content-range content-type date etag expect",
  "expires from host if-match if-modified-since if-none-match if-range",
  "if-unmodified-since last-modified location max-forwards pragma",
  "proxy-authenticate proxy-authorization range referer retry-after server te",
  "trailer transfer-encoding upgrade user-agent vary via warning",
  "www-authenticate method get status",
].join(" ").split(" ").concat(
  ["200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie"],
  ["keep-alive", "origin"],
);

const TAIL = [
  "100101201202205206300302303304305306307402405406407408409410411412413414",
  "415416417502504505203 Non-Authoritative Information204 No Content",
  "301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden",
  "404 Not Found500 Internal Server Error501 Not Implemented",
  "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec",
  " 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,",
  "image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,",
  "text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch",
  "charset=utf-8charset=iso-8859-1,utf-,*,enq=0.",
].join("");

/** Returns the dictionary in a new array. */
export function spdyDictionary(): Uint8Array {
  const text =
    NAMES.map((name) => String.fromCharCode(0, 0, 0, name.length) + name).join(
      "",
    ) + TAIL;
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Returns the Adler-32 checksum (RFC 1950, section 8.2). */
export function adler32(bytes: Uint8Array): number {
  const modulus = 65_521;
  let low = 1;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) % modulus;
    high = (high + low) % modulus;
  }
  return high * 65_536 + low;
}

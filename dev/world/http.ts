// SPDX-License-Identifier: Apache-2.0
/** GET requests from a machine's network namespace, which this process can't reach itself. */
import type { Machine } from "./machine.ts";

const TIMEOUT_S = 3;

/**
 * Sends the request in `$3` to host `$1`, port `$2`. bash opens the connection, so that no other
 * program is needed.
 */
const PLAIN = 'exec 3<>"/dev/tcp/$1/$2" && printf %s "$3" >&3 && cat <&3';

/**
 * Returns the body of the response, or "" without a response within 3 s. A server's certificate is
 * not verified. Readiness checks call this often, so it starts programs that cost few milliseconds:
 * bash and openssl.
 */
export async function get(machine: Machine, url: string): Promise<string> {
  const { protocol, hostname, port, host, pathname, search } = new URL(url);
  // HTTP/1.0: the server sends no chunks and closes the connection after the body.
  const request =
    `GET ${pathname}${search} HTTP/1.0\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  const command = protocol === "https:"
    ? [
      "openssl",
      "s_client",
      "-quiet",
      "-connect",
      `${hostname}:${port || "443"}`,
    ]
    : ["bash", "-c", PLAIN, "bash", hostname, port || "80", request];
  const result = await machine.tryRun("timeout", {
    args: [`${TIMEOUT_S}`, ...command],
    stdin: protocol === "https:" ? request : "",
  }).catch(() => undefined);
  return result?.stdout.split("\r\n\r\n").slice(1).join("\r\n\r\n") ?? "";
}

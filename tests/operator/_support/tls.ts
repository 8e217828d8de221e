// SPDX-License-Identifier: Apache-2.0
/** What a TLS server shows to its clients. */
import { connect } from "node:tls";

/**
 * Connects to a port of this machine and returns the common name of the certificate that it serves.
 */
export async function servedNameAt(
  port: number,
  { host = "127.0.0.1" }: { host?: string } = {},
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(
    { host, port, rejectUnauthorized: false },
    resolve,
  );
  socket.on("error", reject);
  await promise;
  const { CN } = socket.getPeerCertificate().subject;
  const closed = new Promise((done) => socket.once("close", done));
  socket.destroy();
  await closed;
  return String(CN);
}

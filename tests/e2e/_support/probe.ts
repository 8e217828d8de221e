// SPDX-License-Identifier: Apache-2.0
/** Requests to a port from a machine of the test world, with and without credentials. */
import type { Machine } from "../../../dev/world/mod.ts";

/** Options of {@linkcode probe}. */
export interface ProbeOptions {
  url: string;
  /** Paths of a client certificate and its key. */
  client?: { cert: string; key: string };
  /** Bearer token. */
  token?: string;
}

/**
 * Sends a GET request and returns the status of the response ("401", "403", …), else the text of
 * the error. The server's certificate is not verified.
 */
export async function probe(
  machine: Machine,
  options: ProbeOptions,
): Promise<string> {
  const { url, client, token } = options;
  const script = `
    const client = ${
    client
      ? `Deno.createHttpClient({
          cert: Deno.readTextFileSync(${JSON.stringify(client.cert)}),
          key: Deno.readTextFileSync(${JSON.stringify(client.key)}),
        })`
      : "undefined"
  };
    const headers = ${
    JSON.stringify(token ? { authorization: `Bearer ${token}` } : {})
  };
    try {
      const response = await fetch(${
    JSON.stringify(url)
  }, { headers, ...client ? { client } : {} });
      console.log(response.status);
    } catch (error) {
      console.log(String(error.cause ?? error));
    }
    Deno.exit(0);`;
  const result = await machine.tryRun(Deno.execPath(), {
    args: ["eval", "--unsafely-ignore-certificate-errors", script],
    timeoutMs: 20_000,
  });
  return result.stdout.trim();
}

/**
 * Sends random bytes to a TCP port and waits for up to 15 s. Returns "closed", "answered N", "still
 * open", or the name of the error.
 */
export async function sendGarbage(
  machine: Machine,
  target: { address: string; port: number },
): Promise<string> {
  const { address, port } = target;
  const script = `
    try {
      const connection = await Deno.connect({ hostname: "${address}", port: ${port} });
      await connection.write(crypto.getRandomValues(new Uint8Array(3000)));
      const bytes = new Uint8Array(1000);
      const timer = setTimeout(() => { console.log("still open"); Deno.exit(0) }, 15000);
      const count = await connection.read(bytes);
      clearTimeout(timer);
      console.log(count === null ? "closed" : "answered " + count);
    } catch (error) {
      console.log(error.name);
    }
    Deno.exit(0);`;
  const result = await machine.tryRun(Deno.execPath(), {
    args: ["eval", script],
    timeoutMs: 20_000,
  });
  return result.stdout.trim();
}

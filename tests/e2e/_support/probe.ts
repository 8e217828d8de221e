// SPDX-License-Identifier: Apache-2.0
/** What a stranger gets from a port: an HTTP status, or how the connection was refused. */
import type { Machine } from "../../../dev/world/machine.ts";

/** Who asks for what. */
export interface ProbeOptions {
  url: string;
  /** Paths of a client certificate and its key. */
  client?: { cert: string; key: string };
  token?: string;
}

/** Asks from a machine. `"401"`, `"403"`, … for an answer, else the error's text. The server's certificate is not verified. */
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

/** Sends bytes to a TCP port from a machine and waits until the other side closes or answers. What came, or the error's text. */
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

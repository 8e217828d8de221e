// SPDX-License-Identifier: Apache-2.0
/** An HTTPS server whose answers a test decides, for peers that behave badly. */
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { makeAuthority, makeCertificate } from "../../../../dev/world/mod.ts";
import type { Credentials } from "../../../../lib/operator/kube/credentials.ts";

/** Answers one request; `count` is its number, from 1. */
export type Script = (
  request: IncomingMessage,
  response: ServerResponse,
  count: number,
) => void;

/** Listens on a free port of 127.0.0.1 with a certificate of its own CA. */
export class ScriptedServer implements AsyncDisposable {
  readonly credentials: Credentials;
  requests = 0;
  script: Script = (_request, response) => response.end("{}");
  readonly #server: Server;
  readonly #folder: string;

  private constructor(
    server: Server,
    { folder, ca }: { folder: string; ca: string },
  ) {
    this.#server = server;
    this.#folder = folder;
    const { port } = server.address() as AddressInfo;
    this.credentials = {
      server: `https://127.0.0.1:${port}`,
      ca,
      insecure: false,
      authorization: "Bearer t0",
    };
    server.on("request", (request, response) => {
      this.requests++;
      this.script(request, response, this.requests);
    });
  }

  /** @param options.names names of its certificate, besides 127.0.0.1 */
  static async start(
    { names = [] }: { names?: string[] } = {},
  ): Promise<ScriptedServer> {
    const folder = await Deno.makeTempDir();
    const authority = await makeAuthority(folder, "authority");
    const pair = await makeCertificate(folder, authority, {
      name: "server",
      commonName: "server",
      names: ["IP:127.0.0.1", ...names.map((name) => `DNS:${name}`)],
    });
    const server = createServer({
      cert: await Deno.readTextFile(pair.cert),
      key: await Deno.readTextFile(pair.key),
    });
    server.on("clientError", (_error, socket) => socket.destroy());
    await new Promise<void>((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve())
    );
    const ca = await Deno.readTextFile(authority.cert);
    return new ScriptedServer(server, { folder, ca });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Replaces its certificate by one of another CA, whose certificate is returned. */
  async rotateAuthority(): Promise<string> {
    const authority = await makeAuthority(this.#folder, "next-authority");
    const pair = await makeCertificate(this.#folder, authority, {
      name: "next-server",
      commonName: "server",
      names: ["IP:127.0.0.1"],
    });
    this.#server.setSecureContext({
      cert: await Deno.readTextFile(pair.cert),
      key: await Deno.readTextFile(pair.key),
    });
    return await Deno.readTextFile(authority.cert);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    await Deno.remove(this.#folder, { recursive: true });
  }
}

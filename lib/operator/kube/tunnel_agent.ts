// SPDX-License-Identifier: Apache-2.0
/** Connections to an https server through an HTTP proxy. */
import { Buffer } from "node:buffer";
import { request as httpRequest } from "node:http";
import {
  Agent,
  type AgentOptions,
  request as httpsRequest,
  type RequestOptions,
} from "node:https";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import { formatEndpoint } from "../../shared/base/mod.ts";

type Callback = (error: Error | null, socket: Duplex) => void;

/** Options of {@linkcode TunnelAgent}. */
export interface TunnelAgentOptions extends AgentOptions {
  /** http or https URL of the proxy, with user and password if it wants them. */
  proxy: string;
  /** Upper bound of the proxy's reply, in milliseconds. */
  timeoutMs: number;
}

/** An agent whose connections are tunnels of a proxy (CONNECT, RFC 9110, section 9.3.6). */
export class TunnelAgent extends Agent {
  readonly #proxy: URL;
  readonly #timeoutMs: number;

  constructor({ proxy, timeoutMs, ...options }: TunnelAgentOptions) {
    super(options);
    this.#proxy = new URL(proxy);
    this.#timeoutMs = timeoutMs;
  }

  /** Called by node:https for each new connection. */
  override createConnection(
    options: RequestOptions,
    callback: Callback,
  ): undefined {
    const { hostname, port, protocol, username, password } = this.#proxy;
    const target = formatEndpoint({
      host: String(options.host),
      port: Number(options.port),
    });
    const isTls = protocol === "https:";
    const login = `${decodeURIComponent(username)}:${
      decodeURIComponent(password)
    }`;
    const request = (isTls ? httpsRequest : httpRequest)({
      method: "CONNECT",
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port) || (isTls ? 443 : 80),
      path: target,
      headers: {
        host: target,
        ...(username === "" ? {} : {
          "proxy-authorization": `Basic ${
            Buffer.from(login).toString("base64")
          }`,
        }),
      },
      // A pool would keep the tunnel's socket for other requests.
      agent: false,
    });
    const fail = (state: string) =>
      callback(
        new Error(`proxy ${this.#proxy.host} ${state}`),
        undefined as unknown as Duplex,
      );
    const timer = setTimeout(() => {
      request.destroy(new Error(`no answer within ${this.#timeoutMs} ms`));
    }, this.#timeoutMs);
    request.on("error", (error) => {
      clearTimeout(timer);
      fail(`can't be reached: ${error.message}`);
    });
    request.on("response", (response) => {
      // Anything but 2xx comes with a body instead of a tunnel.
      clearTimeout(timer);
      response.destroy();
      fail(`refused ${target} with ${response.statusCode}`);
    });
    request.on("connect", (response, socket) => {
      clearTimeout(timer);
      if (response.statusCode !== 200) {
        socket.destroy();
        return fail(`refused ${target} with ${response.statusCode}`);
      }
      callback(null, connect({ ...options as object, socket }));
    });
    request.end();
  }
}

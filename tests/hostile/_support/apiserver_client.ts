// SPDX-License-Identifier: Apache-2.0
/** A client of the API server that uses devices as kubectl does. */
import { Agent, request } from "node:https";
import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";

/** Options of {@linkcode ApiserverClient}. */
export interface ApiserverClientOptions {
  /** Namespace of the devices. */
  namespace: string;
  /** Path of a kubeconfig with a client certificate, in JSON. */
  kubeconfig: string;
}

/** Upper bound of one request, in milliseconds. */
const TIMEOUT_MS = 30_000;
/** Channel of the exit status in remotecommand over WebSocket. */
const STATUS_CHANNEL = 3;

/** Sends requests to the devices' nodes and virtual pods, over the API server. */
export class ApiserverClient {
  readonly #namespace: string;
  readonly #agent: Agent;
  readonly #url: URL;

  constructor({ namespace, kubeconfig }: ApiserverClientOptions) {
    const { clusters: [{ cluster }], users: [{ user }] } = JSON.parse(
      Deno.readTextFileSync(kubeconfig),
    );
    const pem = (text: string) => Buffer.from(text, "base64").toString();
    this.#namespace = namespace;
    this.#url = new URL(cluster.server);
    this.#agent = new Agent({
      keepAlive: true,
      ca: pem(cluster["certificate-authority-data"]),
      cert: pem(user["client-certificate-data"]),
      key: pem(user["client-key-data"]),
    });
  }

  /** Reads the log of a device's host. @throws {Error} unless it is the device's */
  async log(device: string): Promise<void> {
    const text = await this.#get(
      `/api/v1/namespaces/${this.#namespace}/pods/${device}/log?tailLines=5`,
    );
    if (!text.includes(`log of ${device}`)) throw new Error(`log: ${text}`);
  }

  /** Reads the statistics of a device. @throws {Error} unless they are the device's */
  async stats(device: string): Promise<void> {
    const text = await this.#get(
      `/api/v1/nodes/${device}/proxy/stats/summary`,
    );
    if (!text.includes(`"nodeName":"${device}"`)) {
      throw new Error(`stats: ${text.slice(0, 200)}`);
    }
  }

  /** Runs `true` on a device's host. @throws {Error} unless it succeeds */
  async exec(device: string): Promise<void> {
    const status = await this.#exec(
      `/api/v1/namespaces/${this.#namespace}/pods/${device}/exec?command=true&stdout=true`,
    );
    if (!status.includes('"status":"Success"')) {
      throw new Error(`exec: ${status.slice(0, 300)}`);
    }
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  #get(path: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const sent = request(new URL(path, this.#url), {
      agent: this.#agent,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => text += chunk);
      response.on("error", reject);
      response.on(
        "end",
        () =>
          response.statusCode === 200 ? resolve(text) : reject(
            new Error(`${response.statusCode}: ${text.slice(0, 300)}`),
          ),
      );
    });
    sent.on("error", reject);
    sent.end();
    return promise;
  }

  #exec(path: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const sent = request(new URL(path, this.#url), {
      agent: this.#agent,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-protocol": "v5.channel.k8s.io",
      },
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      response.resume();
      reject(new Error(`exec is answered with ${response.statusCode}`));
    });
    sent.on("upgrade", (_, socket, head) => {
      readStatus(socket, head).then(resolve, reject)
        .finally(() => socket.destroy());
    });
    sent.end();
    return promise;
  }
}

/** Reads WebSocket frames until one of the status channel, and returns its text. */
function readStatus(socket: Duplex, head: Uint8Array): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let bytes = Buffer.from(head);
  const read = () => {
    while (bytes.length >= 4) {
      const short = bytes.readUInt8(1) & 0x7f;
      const [start, length] = short === 126
        ? [4, bytes.readUInt16BE(2)]
        : [2, short];
      if (bytes.length < start + length) return;
      const payload = bytes.subarray(start, start + length);
      if (payload[0] === STATUS_CHANNEL) {
        return resolve(payload.subarray(1).toString());
      }
      bytes = bytes.subarray(start + length);
    }
  };
  socket.on("data", (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    read();
  });
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("exec ended without a status")));
  const timer = setTimeout(
    () => reject(new Error(`exec has no status after ${TIMEOUT_MS} ms`)),
    TIMEOUT_MS,
  );
  read();
  return promise.finally(() => clearTimeout(timer));
}

// SPDX-License-Identifier: Apache-2.0
/** A kubelet server for tests and benchmarks, with its own certificates and a client. */
import { request as httpsRequest } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import { makeAuthority, makeCertificate } from "./pki.ts";
import {
  concatBytes,
  defined,
  fromUtf8,
  SILENT_LOGGER,
} from "../../lib/shared/base/mod.ts";
import type { PendingSockets } from "../../lib/shared/guard/mod.ts";
import {
  type AccessQuestion,
  createKubeletServer,
  KubeletAuth,
  type KubeletServer,
  type KubeletUser,
  type ServingTls,
} from "../../lib/operator/kubelet/mod.ts";
import { LocalNode } from "./local_node.ts";

/** Certificates and keys of one rig, as PEM texts. */
export interface Certificates {
  serversCa: string;
  clientsCa: string;
  serving: ServingTls;
  /** A later serving certificate of the same CA. */
  renewed: ServingTls;
  /** Client certificate with CN "api" and O "masters". */
  client: ServingTls;
  /** Client certificate of another CA than the server trusts. */
  untrusted: ServingTls;
}

/** Makes certificates with openssl. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await Deno.makeTempDir();
  try {
    const [servers, clients] = await Promise.all([
      makeAuthority(folder, "servers"),
      makeAuthority(folder, "clients"),
    ]);
    const names = ["IP:127.0.0.1"];
    const read = async (pair: { cert: string; key: string }) => ({
      cert: await Deno.readTextFile(pair.cert),
      key: await Deno.readTextFile(pair.key),
    });
    const make = async (
      authority: { cert: string; key: string },
      name: string,
      more: { names?: string[]; organizations?: string[] } = {},
    ) =>
      await read(
        await makeCertificate(folder, authority, {
          name,
          commonName: name,
          ...more,
        }),
      );
    return {
      serversCa: (await read(servers)).cert,
      clientsCa: (await read(clients)).cert,
      serving: await make(servers, "serving", { names }),
      renewed: await make(servers, "renewed", { names }),
      client: await make(clients, "api", { organizations: ["masters"] }),
      untrusted: await make(servers, "untrusted"),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A response of the server. */
export interface HttpResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** Options of {@linkcode KubeletRig.request}. */
export interface RigRequestOptions {
  method?: string;
  /** Client certificate; null for none. @default {@linkcode Certificates.client} */
  as?: ServingTls | null;
  /** Bearer token. */
  token?: string;
  headers?: Record<string, string>;
}

/** Access reviews as the rig's server gets them. */
export interface ScriptedReviews {
  /** Access questions so far. */
  questions: AccessQuestion[];
  /** Answers an access question. @default true */
  allow(question: AccessQuestion): boolean;
  /** Users by token; other tokens are invalid. */
  users: Map<string, KubeletUser>;
  /** Token reviews wait for it. @default resolved */
  ready: Promise<void>;
}

/** A kubelet server on a free port of loopback, over a {@linkcode LocalNode}. */
export class KubeletRig implements AsyncDisposable {
  readonly certificates: Certificates;
  readonly node: LocalNode;
  readonly reviews: ScriptedReviews;
  readonly server: KubeletServer;
  readonly #sockets: TLSSocket[] = [];

  private constructor(
    options: {
      certificates: Certificates;
      node: LocalNode;
      reviews: ScriptedReviews;
      server: KubeletServer;
    },
  ) {
    this.certificates = options.certificates;
    this.node = options.node;
    this.reviews = options.reviews;
    this.server = options.server;
  }

  /** Starts a server, with new certificates unless some are given. */
  static async start(
    options: {
      certificates?: Certificates;
      pendingClients?: PendingSockets;
    } = {},
  ): Promise<KubeletRig> {
    const certificates = options.certificates ?? await makeCertificates();
    const node = new LocalNode();
    const reviews: ScriptedReviews = {
      questions: [],
      allow: () => true,
      users: new Map(),
      ready: Promise.resolve(),
    };
    const auth = new KubeletAuth({
      reviewToken: async (token) => {
        await reviews.ready;
        return reviews.users.get(token);
      },
      reviewAccess: (question) => {
        reviews.questions.push(question);
        return Promise.resolve(reviews.allow(question));
      },
    });
    const server = await createKubeletServer({
      nodeName: "edge-1",
      handlers: node,
      tls: certificates.serving,
      clientCa: certificates.clientsCa,
      auth,
      log: SILENT_LOGGER,
      host: "127.0.0.1",
      port: 0,
      ...defined({ pendingClients: options.pendingClients }),
    });
    return new KubeletRig({ certificates, node, reviews, server });
  }

  /** Sends a request to the server and reads the response. */
  request(
    path: string,
    options: RigRequestOptions = {},
  ): Promise<HttpResponse> {
    const { certificates, server: { port } } = this;
    return sendRequest(path, { port, certificates, ...options });
  }

  /** Opens a TLS connection with the API server's certificate; disposing the rig destroys it. */
  async connect(): Promise<TLSSocket> {
    const socket = await connectTls(this.server.port, this.certificates);
    this.#sockets.push(socket);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sockets.map(destroySocket));
    await this.server.close();
  }
}

/** Sends a request to a kubelet server on loopback and reads the response. */
export function sendRequest(
  path: string,
  options: RigRequestOptions & { port: number; certificates: Certificates },
): Promise<HttpResponse> {
  const { port, certificates, as = certificates.client, token } = options;
  return new Promise((resolve, reject) => {
    const request = httpsRequest({
      host: "127.0.0.1",
      port,
      path,
      method: options.method ?? "GET",
      agent: false,
      ca: certificates.serversCa,
      ...as && { cert: as.cert, key: as.key },
      headers: {
        ...options.headers,
        ...token && { Authorization: `Bearer ${token}` },
      },
    }, async (response) => {
      try {
        const body = fromUtf8(concatBytes(await Array.fromAsync(response)));
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body,
        });
      } catch (error) {
        reject(error);
      }
    });
    request.on("error", reject);
    request.end();
  });
}

function connectTls(
  port: number,
  { serversCa, client }: Certificates,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      ca: serversCa,
      cert: client.cert,
      key: client.key,
    }, () => resolve(socket));
    socket.on("error", reject);
  });
}

function destroySocket(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) return resolve();
    socket.on("close", () => resolve());
    socket.destroy();
  });
}

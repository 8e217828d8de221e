// SPDX-License-Identifier: Apache-2.0
/** A kubelet server with certificates of its own, over a node of this machine, and a client that speaks to it. */
import { request as httpsRequest } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import { makeAuthority, makeCertificate } from "./pki.ts";
import {
  concatBytes,
  fromUtf8,
  SILENT_LOGGER,
} from "../../lib/shared/base/mod.ts";
import {
  type AccessQuestion,
  createKubeletServer,
  KubeletAuth,
  type KubeletServer,
  type KubeletUser,
  type ServingTls,
} from "../../lib/operator/kubelet/mod.ts";
import { createLocalNode, type LocalNode } from "./local_node.ts";

/** PEM files of one test. */
export interface Certificates {
  serversCa: string;
  clientsCa: string;
  serving: ServingTls;
  /** Another one of the same authority. */
  renewed: ServingTls;
  /** CN "api", O "masters". */
  client: ServingTls;
  /** Signed by the wrong authority. */
  stranger: ServingTls;
}

/** Makes certificates in a folder that is removed again. */
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
      stranger: await make(servers, "stranger"),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** An answer of the server. */
export interface HttpAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** What a test asks with. */
export interface AskOptions {
  method?: string;
  /** Client certificate. @default the API server's; null: none */
  as?: ServingTls | null;
  token?: string;
  headers?: Record<string, string>;
}

/** A server under test. */
export interface KubeletBench extends AsyncDisposable {
  node: LocalNode;
  server: KubeletServer;
  certificates: Certificates;
  reviews: {
    /** What was asked of the access review. */
    questions: AccessQuestion[];
    /** What the access review answers. @default yes */
    allow: (question: AccessQuestion) => boolean;
    /** Users by token. */
    users: Map<string, KubeletUser>;
  };
  ask(path: string, options?: AskOptions): Promise<HttpAnswer>;
  /** A TLS connection with the API server's certificate; destroyed with the bench. */
  connect(): Promise<TLSSocket>;
}

/** Starts a server on a free port. */
export async function makeKubelet(
  options: { certificates?: Certificates } = {},
): Promise<KubeletBench> {
  const certificates = options.certificates ?? await makeCertificates();
  const node = createLocalNode();
  const sockets: TLSSocket[] = [];
  const reviews = {
    questions: [] as AccessQuestion[],
    allow: (_question: AccessQuestion) => true,
    users: new Map<string, KubeletUser>(),
  };
  const auth = new KubeletAuth({
    reviewToken: (token) => Promise.resolve(reviews.users.get(token)),
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
  });
  return {
    node,
    server,
    certificates,
    reviews,
    ask: (path, asked) => ask(server.port, path, { certificates, ...asked }),
    async connect() {
      const socket = await connectTls(server.port, certificates);
      sockets.push(socket);
      return socket;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(sockets.map(destroyed));
      await server.close();
    },
  };
}

/** Sends one request and reads its answer. */
export function ask(
  port: number,
  path: string,
  options: AskOptions & { certificates: Certificates },
): Promise<HttpAnswer> {
  const { certificates, as = certificates.client, token } = options;
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

function destroyed(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) return resolve();
    socket.on("close", () => resolve());
    socket.destroy();
  });
}

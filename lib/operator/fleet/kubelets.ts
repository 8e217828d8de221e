// SPDX-License-Identifier: Apache-2.0
/** The host of all kubelet servers: their ports, the certificate that they share at first, and who may use them. */
import {
  AranyaError,
  asAranyaError,
  type Logger,
  type Meter,
} from "../../shared/base/mod.ts";
import type { KubeletHost } from "../device/mod.ts";
import { type KubeClient, reviewAccess, reviewToken } from "../kube/mod.ts";
import {
  createKubeletAuth,
  createKubeletServer,
  type KubeletAuth,
  type KubeletServer,
  type ServingTls,
} from "../kubelet/mod.ts";
import type { Certificates } from "./certificates.ts";

/** A range of ports, both ends included; `{first: 0, last: 0}`: any free one. */
export interface PortRange {
  first: number;
  last: number;
}

/** Options of {@linkcode createKubelets}. */
export interface KubeletsOptions {
  range: PortRange;
  auth: KubeletAuth;
  /** PEM of who signs the API server's client certificate. */
  clientCa: string;
  /** What serves until the host's own certificate is signed. */
  tls: ServingTls;
  certificates: () => Certificates;
  log: Logger;
  meter: Meter;
}

/** See {@linkcode createKubelets}. */
export interface Kubelets extends KubeletHost {
  /** The host's certificate came or was renewed: every server without one of its own takes it. */
  setHostTls(tls: ServingTls): void;
  /** Those who sign the API server's client certificate have changed: every server takes the new bundle. */
  setClientCa(clientCa: string): void;
}

/** Holder of ports that somebody outside has; tried again when the range is used up. */
const FOREIGN = "";

/** Makes the host; it holds no port by itself. */
export function createKubelets(options: KubeletsOptions): Kubelets {
  const { range, log } = options;
  /** Port to device; 0 is never in here. */
  const used = new Map<number, string>();
  const servers = new Map<string, KubeletServer>();
  /** Certificates of their own. */
  const certified = new Map<string, ServingTls>();
  let { tls, clientCa } = options;
  let cursor = range.first;

  async function tryOpen(
    device: string,
    { port, handlers }: {
      port: number;
      handlers: Parameters<KubeletHost["open"]>[1]["handlers"];
    },
  ): Promise<KubeletServer | undefined> {
    try {
      return await createKubeletServer({
        nodeName: device,
        handlers,
        tls,
        clientCa,
        auth: options.auth,
        log: log.with({ device }),
        meter: options.meter,
        port,
      });
    } catch (error) {
      if (asAranyaError(error, "").code !== "conflict") throw error;
      return undefined;
    }
  }

  /** Ports worth a try, the wanted one first. */
  function* candidates(wantedPort: number | undefined): Generator<number> {
    if (wantedPort !== undefined) yield wantedPort;
    if (range.first === 0) {
      yield 0;
      return;
    }
    for (let tries = range.first; tries <= range.last; tries++) {
      const port = cursor;
      cursor = cursor === range.last ? range.first : cursor + 1;
      if (!used.has(port)) yield port;
    }
  }

  return {
    async open(device, { wantedPort, handlers }) {
      for (const port of candidates(wantedPort)) {
        if (used.has(port)) continue;
        // Held while it is being tried: others are opened at the same time.
        if (port !== 0) used.set(port, device);
        const server = await tryOpen(device, { port, handlers }).catch(
          (error) => {
            used.delete(port);
            throw error;
          },
        );
        if (!server) {
          // Somebody else's: it stays marked, so that the next device does not try it too.
          if (port !== 0) used.set(port, FOREIGN);
          continue;
        }
        if (port === wantedPort || wantedPort === undefined) {
          log.debug("kubelet server listens", { device, count: server.port });
        } else {
          log.info("kubelet port was taken, another one serves", {
            device,
            count: server.port,
          });
        }
        used.set(server.port, device);
        servers.set(device, server);
        return toOwned(device, server);
      }
      for (const [port, holder] of used) {
        if (holder === FOREIGN) used.delete(port);
      }
      throw new AranyaError(
        "conflict",
        `Cannot serve device "${device}": no kubelet port from ${range.first} to ${range.last} is free`,
      );
    },
    certify: (edge, server) => options.certificates().certify(edge, server),
    forget(device) {
      options.certificates().forget(device);
      const server = servers.get(device);
      for (const [port, holder] of server ? used : []) {
        if (holder === device) used.delete(port);
      }
      servers.delete(device);
      certified.delete(device);
    },
    setHostTls(next) {
      if (next.cert === tls.cert) return;
      tls = next;
      for (const [device, server] of servers) {
        if (!certified.has(device)) server.setTls(next);
      }
    },
    setClientCa(next) {
      if (next === clientCa) return;
      for (const [device, server] of servers) {
        server.setTls({ ...(certified.get(device) ?? tls), clientCa: next });
      }
      clientCa = next;
      log.info("client CA of the API server was changed");
    },
  };

  /** Notes that a device got a certificate of its own. */
  function toOwned(device: string, server: KubeletServer): KubeletServer {
    return {
      get port() {
        return server.port;
      },
      setTls(own) {
        server.setTls(own);
        certified.set(device, own);
      },
      close: (reason) => server.close(reason),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  }
}

/** Reviews by the API server, for all kubelet servers. */
export function createReviews(client: KubeClient): KubeletAuth {
  return createKubeletAuth({
    async reviewToken(token, signal) {
      const user = await reviewToken(client, { token, signal });
      return user && {
        name: user.username ?? "",
        groups: user.groups ?? [],
        ...(user.uid ? { uid: user.uid } : {}),
        ...(user.extra ? { extra: user.extra } : {}),
      };
    },
    async reviewAccess({ user, verb, subresource, node }, signal) {
      const { allowed } = await reviewAccess(client, {
        user: {
          username: user.name,
          groups: user.groups,
          ...(user.uid ? { uid: user.uid } : {}),
          ...(user.extra ? { extra: user.extra } : {}),
        },
        resource: {
          verb,
          resource: "nodes",
          subresource,
          name: node,
          version: "v1",
        },
        signal,
      });
      return allowed;
    },
  });
}

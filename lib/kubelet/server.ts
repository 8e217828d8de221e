// SPDX-License-Identifier: Apache-2.0
/** One node's HTTPS server. Thousands of them live in one process, so each holds as little as it can. */
import { AranyaError, type Logger, type Meter } from "../base/mod.ts";
import type { KubeletAuth } from "./auth.ts";
import type { KubeletHandlers } from "./handlers.ts";

/** Options of {@linkcode createKubeletServer}. */
export interface KubeletServerOptions {
  /** The node's name, for authorization. */
  nodeName: string;
  /** What stands behind it. */
  handlers: KubeletHandlers;
  /** The first certificate. */
  tls: ServingTls;
  /** PEM bundle of those who sign client certificates (the API server's). */
  clientCa: string;
  /** Who may do what; one for all servers of the process. */
  auth: KubeletAuth;
  log: Logger;
  meter?: Meter;
  /** Address to listen on. @default all */
  host?: string;
  /** 0: any free one. */
  port: number;
}

/** A serving certificate with its key, both PEM. */
export interface ServingTls {
  cert: string;
  key: string;
}

/** One node's server. */
export interface KubeletServer extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
  /** New connections get this certificate; open ones stay. @throws {AranyaError} "invalid" when certificate and key don't fit */
  setTls(tls: ServingTls): void;
  /** Stops listening and ends what runs with this reason; resolves within seconds. May be called twice. */
  close(reason?: string): Promise<void>;
}

/**
 * Starts a server.
 * @throws {AranyaError} "conflict" when the port is taken, "invalid" for a certificate that can't be used
 */
export function createKubeletServer(
  options: KubeletServerOptions,
): Promise<KubeletServer> {
  throw new AranyaError(
    "unsupported",
    `Cannot serve node ${JSON.stringify(options.nodeName)}: not built yet`,
  );
}

// SPDX-License-Identifier: Apache-2.0
/** All kubelet servers of this host. */
import {
  AranyaError,
  hasCode,
  type Logger,
  type Meter,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import type { KubeletServers, ProblemCondition } from "../device/mod.ts";
import type { EdgeDevice } from "../kube/mod.ts";
import {
  createKubeletServer,
  createPendingClients,
  type KubeletAuth,
  type KubeletHandlers,
  type KubeletServer,
  type ServingTls,
  validateClientCa,
} from "../kubelet/mod.ts";
import type { ServingCertificates } from "./certificates.ts";
import { PacedUpdates } from "./paced_updates.ts";

/** A range of ports, both ends included; `{first: 0, last: 0}` stands for any free port. */
export interface PortRange {
  first: number;
  last: number;
}

/** Options of {@linkcode KubeletRegistry}. */
export interface KubeletRegistryOptions {
  /** Where servers listen; one port for each device. */
  ports: PortRange;
  auth: KubeletAuth;
  /** PEM bundle of the CA that signs the API server's client certificate. */
  clientCa: string;
  /** The certificate of each server until it has its own. */
  hostTls: ServingTls;
  /** Obtains the devices' own certificates. */
  certificates: Pick<
    ServingCertificates,
    "request" | "release" | "problemsOf"
  >;
  log: Logger;
  meter: Meter;
}

/** Owner of a port that another process listens on. */
const OTHER_PROCESS = "";

/**
 * Starts one kubelet server for each device and keeps their certificates up to date. A device keeps
 * its port while it can, because the port stands in its Node's status.
 *
 * It closes no server: the devices do that, and then call `release`.
 */
export class KubeletRegistry implements KubeletServers {
  readonly #options: KubeletRegistryOptions;
  /** Owner of each port in use: a device, or {@linkcode OTHER_PROCESS}. Never holds port 0. */
  readonly #owners = new Map<number, string>();
  /** Port of each device, also of one whose server is not open yet. */
  readonly #portOf = new Map<string, number>();
  readonly #servers = new Map<string, KubeletServer>();
  /** Devices' own certificates. */
  readonly #deviceTls = new Map<string, ServingTls>();
  readonly #updates = new PacedUpdates({
    update: (device) => this.#updateTls(device),
    clock: SYSTEM_CLOCK,
  });
  readonly #pendingClients: ReturnType<typeof createPendingClients>;
  #hostTls: ServingTls;
  #clientCa: string;
  /** Where the search for a free port goes on. */
  #nextPort: number;

  constructor(options: KubeletRegistryOptions) {
    this.#options = options;
    this.#pendingClients = createPendingClients(options.meter);
    this.#hostTls = options.hostTls;
    this.#clientCa = options.clientCa;
    this.#nextPort = options.ports.first;
  }

  /** Keeps a port for a device that had it, unless another device has it too. */
  reserve(device: string, port: number): void {
    if (this.#owners.has(port) || this.#portOf.has(device)) return;
    this.#assign(device, port);
  }

  /** See {@linkcode KubeletServers.open}. */
  async open(
    device: string,
    { wantedPort, handlers }: {
      wantedPort: number | undefined;
      handlers: KubeletHandlers;
    },
  ): Promise<KubeletServer> {
    for (const port of this.#candidatePorts(wantedPort)) {
      const hostTls = this.#hostTls;
      const clientCa = this.#clientCa;
      if ((this.#owners.get(port) ?? device) !== device) continue;
      const server = await this.#tryPort(port, { device, handlers });
      if (!server) continue;
      this.#assign(device, server.port);
      this.#servers.set(device, server);
      // They may have changed while it was opened.
      if (hostTls !== this.#hostTls || clientCa !== this.#clientCa) {
        this.#updates.add([device]);
      }
      this.#logPort(device, { port: server.port, wantedPort });
      return this.#recordingTls(device, server);
    }
    // Ports of other processes may be free by the next attempt.
    for (const [port, owner] of this.#owners) {
      if (owner === OTHER_PROCESS) this.#owners.delete(port);
    }
    const { first, last } = this.#options.ports;
    throw new AranyaError(
      "conflict",
      `Cannot serve device "${device}": no kubelet port from ${first} to ${last} is free`,
    );
  }

  requestCertificate(edge: EdgeDevice, server: KubeletServer): void {
    this.#options.certificates.request(edge, server);
  }

  certificateProblems(device: string): readonly ProblemCondition[] {
    return this.#options.certificates.problemsOf(device);
  }

  release(device: string): void {
    this.#options.certificates.release(device);
    const port = this.#portOf.get(device);
    if (port !== undefined) this.#owners.delete(port);
    this.#portOf.delete(device);
    this.#servers.delete(device);
    this.#updates.delete(device);
    this.#deviceTls.delete(device);
  }

  /** Passes the host's certificate to every server that doesn't have its own yet, in turn. */
  setHostTls(tls: ServingTls): void {
    if (tls.cert === this.#hostTls.cert) return;
    this.#hostTls = tls;
    this.#updates.add(this.#servers.keys());
  }

  /**
   * Passes the CA bundle for client certificates to every server, in turn.
   * @throws {AranyaError} code "invalid" when a certificate of it can't be read; the former bundle
   * then stays in use
   */
  setClientCa(clientCa: string): void {
    if (clientCa === this.#clientCa) return;
    // Before any server has it, and when there is none yet.
    validateClientCa(clientCa);
    this.#clientCa = clientCa;
    this.#updates.add(this.#servers.keys());
    this.#options.log.info("client CA of the API server was changed");
  }

  /** Gives a server the certificate and the client CA that it should have now. */
  #updateTls(device: string): void {
    const tls = this.#deviceTls.get(device) ?? this.#hostTls;
    try {
      this.#servers.get(device)?.setTls({ ...tls, clientCa: this.#clientCa });
    } catch (error) {
      this.#options.log.error("certificate of a kubelet server was not set", {
        device,
        error,
      });
    }
  }

  /**
   * Yields the ports to try: the wanted one, then the ports of the range that have no known owner.
   */
  *#candidatePorts(wantedPort: number | undefined): Generator<number> {
    const { first, last } = this.#options.ports;
    if (wantedPort !== undefined) yield wantedPort;
    if (first === 0) {
      yield 0;
      return;
    }
    for (let attempt = first; attempt <= last; attempt++) {
      const port = this.#nextPort;
      this.#nextPort = port === last ? first : port + 1;
      if (!this.#owners.has(port)) yield port;
    }
  }

  /** Makes the device the owner of a port, and of no other one. */
  #assign(device: string, port: number): void {
    const former = this.#portOf.get(device);
    if (former !== undefined && former !== port) this.#owners.delete(former);
    this.#portOf.set(device, port);
    this.#owners.set(port, device);
  }

  /** Starts a server; returns undefined when another process listens on the port. */
  async #tryPort(
    port: number,
    { device, handlers }: { device: string; handlers: KubeletHandlers },
  ): Promise<KubeletServer | undefined> {
    const { auth, log, meter } = this.#options;
    // Reserved during the attempt, because other devices are opened at the same time.
    if (port !== 0) this.#owners.set(port, device);
    try {
      return await createKubeletServer({
        nodeName: device,
        handlers,
        tls: this.#hostTls,
        clientCa: this.#clientCa,
        auth,
        log: log.with({ device }),
        meter,
        pendingClients: this.#pendingClients,
        port,
      });
    } catch (error) {
      this.#owners.delete(port);
      if (!hasCode(error, "conflict")) throw error;
      // Recorded, so that the next device doesn't try it again.
      if (port !== 0) this.#owners.set(port, OTHER_PROCESS);
      return undefined;
    }
  }

  #logPort(
    device: string,
    { port, wantedPort }: { port: number; wantedPort: number | undefined },
  ): void {
    const { log } = this.#options;
    if (wantedPort === undefined || port === wantedPort) {
      log.debug("kubelet server listens", { device, port });
    } else {
      log.info("kubelet port was taken, another one is used", { device, port });
    }
  }

  /** Wraps a server so that the certificate which the device's own request brings is recorded. */
  #recordingTls(device: string, server: KubeletServer): KubeletServer {
    return {
      get port() {
        return server.port;
      },
      setTls: (tls) => {
        server.setTls(tls);
        this.#deviceTls.set(device, tls);
      },
      close: (reason) => server.close(reason),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  }
}

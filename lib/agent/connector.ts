// SPDX-License-Identifier: Apache-2.0
/** Opens links to the operator: dial, handshake, greeting. */
import { hasCode } from "../shared/base/mod.ts";
import type { Link, LinkDialer } from "../shared/link/mod.ts";
import { initiateHandshake } from "../shared/noise/mod.ts";
import {
  greetAsAgent,
  type Greeting,
  type Session,
} from "../shared/session/mod.ts";
import { CAPABILITIES } from "../shared/wire/mod.ts";
import type { CredentialStore } from "./credential_store.ts";

/** A link on which the session can run. */
export interface ConnectedLink {
  link: Link;
  /** What both sides announced. */
  greeting: Greeting;
}

/** Opens links to the operator. */
export interface LinkConnector {
  /**
   * Connects to one endpoint, "host:port".
   * @throws {AranyaError} `details.endpoint` is the endpoint of a redirect, if the operator sent
   * one
   */
  connect(endpoint: string, options: ConnectOptions): Promise<ConnectedLink>;
}

/** Options of {@linkcode LinkConnector.connect}. */
export interface ConnectOptions {
  signal: AbortSignal;
  /** Called for each Knock on the link, which is not authenticated. */
  onKnock: () => void;
}

/** Identifies the machine to the operator; read anew on each use. */
export interface MachineIdentity {
  /** The same after a reboot; empty when the machine has none. */
  readonly machineId: string;
  /** Differs after each boot. */
  readonly bootId: string;
}

/** Options of {@linkcode OperatorConnector}. */
export interface OperatorConnectorOptions {
  /** Name of the device. */
  device: string;
  agentVersion: string;
  machine: MachineIdentity;
  dialer: LinkDialer;
  credentials: CredentialStore;
  session: Session;
}

/**
 * Connects with the current credential. When the operator refuses it during a rotation, connects
 * again with the previous one.
 */
export class OperatorConnector implements LinkConnector {
  readonly #options: OperatorConnectorOptions;

  constructor(options: OperatorConnectorOptions) {
    this.#options = options;
  }

  async connect(
    endpoint: string,
    options: ConnectOptions,
  ): Promise<ConnectedLink> {
    const { credentials } = this.#options;
    const { key, previousKey } = credentials;
    try {
      return await this.#connect({ ...options, endpoint, key });
    } catch (error) {
      if (!previousKey || !hasCode(error, "unauthorized")) throw error;
    }
    return await this.#connect({ ...options, endpoint, key: previousKey });
  }

  async #connect(
    { endpoint, key, signal, onKnock }: ConnectOptions & {
      endpoint: string;
      key: Uint8Array;
    },
  ): Promise<ConnectedLink> {
    const { device, agentVersion, machine, dialer, credentials, session } =
      this.#options;
    const rawLink = await dialer.dial({ endpoint, signal });
    const link = await initiateHandshake(rawLink, {
      device,
      key,
      signal,
      onKnock,
    });
    const greeting = await greetAsAgent(link, {
      session,
      capabilities: Object.values(CAPABILITIES),
      agentVersion,
      machineId: machine.machineId,
      bootId: machine.bootId,
      signal,
    });
    await credentials.onKeyAccepted(key);
    return { link, greeting };
  }
}

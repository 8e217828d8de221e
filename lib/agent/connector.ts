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

/** A sealed link to an operator that has not been greeted. */
export interface OpenedLink {
  link: Link;
  /** The key that the handshake was made with. */
  key: Uint8Array;
}

/** Opens links to the operator, in two steps: several may be opened, but only one is greeted. */
export interface LinkConnector {
  /**
   * Connects to one endpoint, "host:port", and makes the handshake.
   * @throws {AranyaError} `details.endpoint` is where the operator sends the agent, if it does
   */
  open(endpoint: string, options: OpenLinkOptions): Promise<OpenedLink>;
  /** Greets the operator. Closes the link when it fails. @throws {AranyaError} as `open` does */
  greet(opened: OpenedLink, signal: AbortSignal): Promise<ConnectedLink>;
}

/** Options of {@linkcode LinkConnector.open}. */
export interface OpenLinkOptions {
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

  async open(endpoint: string, options: OpenLinkOptions): Promise<OpenedLink> {
    const { credentials } = this.#options;
    const { key, previousKey } = credentials;
    try {
      return await this.#open({ ...options, endpoint, key });
    } catch (error) {
      if (!previousKey || !hasCode(error, "unauthorized")) throw error;
    }
    return await this.#open({ ...options, endpoint, key: previousKey });
  }

  async greet(
    { link, key }: OpenedLink,
    signal: AbortSignal,
  ): Promise<ConnectedLink> {
    const { agentVersion, machine, credentials, session } = this.#options;
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

  async #open(
    { endpoint, key, signal, onKnock }: OpenLinkOptions & {
      endpoint: string;
      key: Uint8Array;
    },
  ): Promise<OpenedLink> {
    const { device, dialer } = this.#options;
    const rawLink = await dialer.dial({ endpoint, signal });
    const link = await initiateHandshake(rawLink, {
      device,
      key,
      signal,
      onKnock,
    });
    return { link, key };
  }
}

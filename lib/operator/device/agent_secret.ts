// SPDX-License-Identifier: Apache-2.0
/** Step of a reconciliation for the Secret with everything that an agent needs. */
import { AranyaError } from "../../shared/base/mod.ts";
import { SECRET, type Secret } from "../kube/mod.ts";
import type { Device } from "./device.ts";
import { agentSecretName, ROTATE_ANNOTATION } from "./metadata.ts";
import { secretText, toSecret } from "./objects.ts";
import type { ObjectWriter } from "./writer.ts";

/**
 * Keeps the Secret of one device: agent.yaml, the CA, and the credential, which is stored, rotated
 * and revoked by it. Calls of `ensure` must not overlap.
 */
export class AgentSecret {
  readonly #device: Device;
  readonly #writer: ObjectWriter;
  /** Whether the rotation that the annotation requests has begun. */
  #hasRotationBegun = false;

  constructor(device: Device, writer: ObjectWriter) {
    this.#device = device;
    this.#writer = writer;
  }

  /** Whether the rotation that the annotation requests is complete, so that it can be removed. */
  get isRotationComplete(): boolean {
    return this.#hasRotationBegun && !this.#device.credential.isRotating &&
      this.#isRotationRequested;
  }

  /** Lets the annotation request another rotation, after it was removed. */
  acceptNextRotation(): void {
    this.#hasRotationBegun = false;
  }

  /**
   * Adopts the credential that the Secret holds, begins a requested rotation while the device is
   * connected, and creates or updates the Secret. The credential is as before when that fails.
   */
  async ensure(signal: AbortSignal): Promise<void> {
    const { context, credential, link, name } = this.#device;
    const { namespace, stores } = context.kube;
    const stored = this.#writer.latest(
      SECRET.kind,
      stores.secrets.get(`${namespace}/${agentSecretName(name)}`),
    );
    const isOurs = stored && this.#writer.ownership(stored) === "ours";
    if (credential.adopt(isOurs ? stored : undefined)) {
      link.closeLink("the device's credential was changed");
    }
    const isRequested = this.#isRotationRequested;
    const before = credential.keys;
    if (
      isRequested && link.isUp && !credential.isRotating &&
      !this.#hasRotationBegun
    ) credential.rotate();
    try {
      await this.#write(stored, signal);
    } catch (error) {
      credential.restore(before);
      throw error;
    }
    if (isRequested && credential.isRotating) this.#hasRotationBegun = true;
  }

  get #isRotationRequested(): boolean {
    const { annotations } = this.#device.edge.metadata;
    return annotations?.[ROTATE_ANNOTATION] !== undefined;
  }

  async #write(stored: Secret | undefined, signal: AbortSignal): Promise<void> {
    const values = this.#toSecretValues();
    const desired = toSecret(this.#device.edge, {
      name: agentSecretName(this.#device.name),
      type: "Opaque",
      values: Object.fromEntries(
        Object.entries(values).filter((entry): entry is [string, string] =>
          entry[1] !== null
        ),
      ),
    });
    await this.#writer.ensure(SECRET, desired, {
      stored,
      signal,
      toPatch: (actual) => {
        const changed = Object.keys(values).filter((key) =>
          actual.data?.[key] !== desired.data?.[key]
        );
        return changed.length === 0 ? undefined : {
          data: Object.fromEntries(
            changed.map((key) => [key, desired.data?.[key] ?? null]),
          ),
        };
      },
    });
  }

  /** Returns the Secret's values by key; null: the key has to be removed. */
  #toSecretValues(): Record<string, string | null> {
    const { context, credential, name, settings } = this.#device;
    const ca = this.#readCa();
    const key = credential.keys?.key;
    if (!key) {
      throw new AranyaError(
        "internal",
        `Cannot write Secret of device "${name}": it has no credential`,
      );
    }
    return {
      ...credential.toSecretValues(),
      "ca.crt": ca ?? null,
      "agent.yaml": context.settings.renderAgentYaml({
        device: name,
        settings,
        ca: settings.insecure ? undefined : ca,
        credential: key,
      }),
    };
  }

  /** Returns the CA of the endpoint: the user's by `tlsSecretRef`, else the operator's own. */
  #readCa(): string | undefined {
    const { edge, context: { kube, operator } } = this.#device;
    const reference = edge.spec?.connectivity?.grpcConfig?.tlsSecretRef?.name;
    return reference === undefined ? operator.ca : secretText(
      kube.sources.findSecret(kube.namespace, reference),
      "ca.crt",
    );
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The Secret with everything that a device needs; where its credential is kept, rotated and revoked. */
import { AranyaError } from "../../shared/base/mod.ts";
import { SECRET, type Secret } from "../kube/mod.ts";
import type { Device } from "./device.ts";
import {
  agentSecretName,
  ROTATE_ANNOTATION,
  secretText,
  toSecret,
} from "./objects.ts";
import type { Writer } from "./writer.ts";

/** One device's Secret. Calls of `ensure` must not overlap. */
export class AgentSecret {
  readonly #device: Device;
  readonly #writer: Writer;
  /** The rotation that the annotation asks for has begun. */
  #rotationAnswered = false;

  constructor(device: Device, writer: Writer) {
    this.#device = device;
    this.#writer = writer;
  }

  /** Whether the annotation has been answered and may go. */
  get rotated(): boolean {
    const { credential, edge } = this.#device;
    return this.#rotationAnswered && !credential.rotating &&
      edge.metadata.annotations?.[ROTATE_ANNOTATION] !== undefined;
  }

  /** The annotation is gone; a new one asks for another rotation. */
  rotationIsOver(): void {
    this.#rotationAnswered = false;
  }

  /** Creates or repairs the Secret, and takes from it what the device may prove itself with. */
  async ensure(signal: AbortSignal): Promise<void> {
    const { edge, context, credential, link } = this.#device;
    const name = agentSecretName(this.#device.name);
    const stored = this.#writer.latest(
      SECRET.kind,
      context.stores.secrets.get(`${context.namespace}/${name}`),
    );
    const found = stored && this.#writer.ownership(stored) === "ours"
      ? stored
      : undefined;
    if (credential.adopt(found)) {
      link.end("the device's credential was changed");
    }
    const asked = edge.metadata.annotations?.[ROTATE_ANNOTATION] !== undefined;
    const before = credential.keys;
    if (asked && link.up && !credential.rotating && !this.#rotationAnswered) {
      credential.rotate();
    }
    try {
      await this.#write({ name, stored, signal });
    } catch (error) {
      credential.restore(before);
      throw error;
    }
    if (asked && credential.rotating) this.#rotationAnswered = true;
  }

  async #write({ name, stored, signal }: {
    name: string;
    stored: Secret | undefined;
    signal: AbortSignal;
  }): Promise<void> {
    const values = this.#toSecretValues();
    const texts = Object.fromEntries(
      Object.entries(values).filter((pair): pair is [string, string] =>
        pair[1] !== null
      ),
    );
    const wanted = toSecret(this.#device.edge, {
      name,
      type: "Opaque",
      values: texts,
    });
    await this.#writer.ensure(SECRET, wanted, {
      stored,
      signal,
      patch: (actual) => {
        const changed = Object.keys(values).filter((key) =>
          actual.data?.[key] !== wanted.data?.[key]
        );
        return changed.length === 0 ? undefined : {
          data: Object.fromEntries(
            changed.map((key) => [key, wanted.data?.[key] ?? null]),
          ),
        };
      },
    });
  }

  #toSecretValues(): Record<string, string | null> {
    const { edge, context, credential, name, settings } = this.#device;
    const reference = edge.spec?.connectivity?.grpcConfig?.tlsSecretRef?.name;
    const own = reference === undefined;
    const ca = own ? context.authority : secretText(
      context.sources.findSecret(context.namespace, reference),
      "ca.crt",
    );
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
      "agent.yaml": context.renderAgentYaml({
        device: name,
        settings,
        ca: settings.insecure ? undefined : ca,
        credential: key,
      }),
    };
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Step of a reconciliation for the Secret with everything that an agent needs. */
import { AranyaError } from "../../shared/base/mod.ts";
import { SECRET, type Secret } from "../kube/mod.ts";
import {
  type CertificateFacts,
  inspectCertificate,
  splitPem,
} from "../pki/mod.ts";
import { covers } from "./covers.ts";
import type { Device } from "./device.ts";
import { agentSecretName, ROTATE_ANNOTATION } from "./metadata.ts";
import { secretText, toSecret } from "./objects.ts";
import { authorityExpiring, type ProblemCondition } from "./problems.ts";
import type { ObjectWriter } from "./writer.ts";

/** The end of a CA is reported this long before: devices may have to be visited. */
const AUTHORITY_LEAD_MS = 180 * 86_400_000;
/** Upper bound of that time, as a share of the CA's lifetime. */
const AUTHORITY_LEAD_SHARE = 0.2;

/**
 * Keeps the Secret of one device: agent.yaml, the CA, and the credential, which is stored, rotated
 * and revoked by it. Calls of `ensure` must not overlap.
 */
export class AgentSecret {
  readonly #device: Device;
  readonly #writer: ObjectWriter;
  /** Whether the rotation that the annotation requests has begun. */
  #hasRotationBegun = false;
  /** UID of the Secret that holds the credential; undefined until it was read or written. */
  #uid: string | undefined;
  /** The CA that was written last, and the contents of the one that ends last. */
  #authority: { pem: string; facts: CertificateFacts | undefined } | undefined;

  constructor(device: Device, writer: ObjectWriter) {
    this.#device = device;
    this.#writer = writer;
  }

  /** Whether the rotation that the annotation requests is complete, so that it can be removed. */
  get isRotationComplete(): boolean {
    return this.#hasRotationBegun && !this.#device.credential.isRotating &&
      this.#isRotationRequested;
  }

  /** Problems with the CA that the Secret holds. */
  get problems(): ProblemCondition[] {
    const facts = this.#authority?.facts;
    if (!facts) return [];
    const { notBeforeMs, notAfterMs } = facts;
    const leadMs = Math.min(
      AUTHORITY_LEAD_MS,
      AUTHORITY_LEAD_SHARE * (notAfterMs - notBeforeMs),
    );
    const nowMs = this.#device.context.clock.wallMs();
    return nowMs > notAfterMs - leadMs ? [authorityExpiring(notAfterMs)] : [];
  }

  /** Lets the annotation request another rotation, after it was removed. */
  acceptNextRotation(): void {
    this.#hasRotationBegun = false;
  }

  /**
   * Revokes the credential when its Secret was deleted: closes the link, and drops the keys. The
   * API server is asked, because the informer selects by labels, which may have been removed.
   */
  async checkRevocation(signal: AbortSignal): Promise<void> {
    if (this.#uid !== undefined) await this.#read(signal);
  }

  /**
   * Adopts the credential that the Secret holds, begins a requested rotation while the device is
   * connected and the Secret its own, and creates or updates the Secret. The credential is as
   * before when it was not written: the device must never get a key that is not stored.
   */
  async ensure(signal: AbortSignal): Promise<void> {
    const { credential, link } = this.#device;
    const stored = await this.#read(signal);
    const isOurs = stored && this.#writer.ownership(stored) === "ours";
    credential.adopt(isOurs ? stored : undefined);
    link.closeUnlessAccepted("the device's credential was changed");
    if (isOurs) this.#uid = stored.metadata.uid;
    const isRequested = this.#isRotationRequested;
    const rotated =
      isOurs && isRequested && link.isUp && !this.#hasRotationBegun
        ? credential.rotate()
        : undefined;
    let written: Secret | undefined;
    try {
      written = await this.#write(stored, signal);
    } finally {
      if (!written) credential.undoRotation(rotated);
    }
    if (written) this.#uid = written.metadata.uid;
    if (isRequested && credential.isRotating) this.#hasRotationBegun = true;
    await this.#inspectAuthority();
  }

  async #inspectAuthority(): Promise<void> {
    const pem = this.#readCa() ?? "";
    if (pem === this.#authority?.pem) return;
    this.#authority = { pem, facts: await inspectLatest(pem) };
  }

  /**
   * Returns the Secret; from the API server when the informer has none, or another one than the
   * credential's. Revokes the credential when its Secret is no longer there.
   */
  async #read(signal: AbortSignal): Promise<Secret | undefined> {
    const { context: { kube, log }, name } = this.#device;
    const { namespace, stores, client } = kube;
    const ref = { namespace, name: agentSecretName(name) };
    const stored = this.#writer.latest(
      SECRET.kind,
      stores.secrets.get(`${namespace}/${ref.name}`),
    );
    const uid = this.#uid;
    if (stored && (uid === undefined || stored.metadata.uid === uid)) {
      return stored;
    }
    const found = await client.find(SECRET, ref, { signal });
    if (uid !== undefined && found?.metadata.uid !== uid) {
      log.info("credential was revoked, because its secret was deleted", {
        device: name,
      });
      this.#uid = undefined;
      this.#device.revoke();
    }
    return found;
  }

  get #isRotationRequested(): boolean {
    const { annotations } = this.#device.edge.metadata;
    return annotations?.[ROTATE_ANNOTATION] !== undefined;
  }

  async #write(
    stored: Secret | undefined,
    signal: AbortSignal,
  ): Promise<Secret | undefined> {
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
    const { labels } = desired.metadata;
    return await this.#writer.ensure(SECRET, desired, {
      stored,
      signal,
      toPatch: (actual) => {
        const changed = Object.keys(values).filter((key) =>
          actual.data?.[key] !== desired.data?.[key]
        );
        // Without its labels the informer doesn't see the Secret.
        const hasLabels = covers(actual.metadata, { labels });
        if (changed.length === 0 && hasLabels) return undefined;
        return {
          metadata: { labels },
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

  /**
   * Returns the CA of the endpoint: the user's by `tlsSecretRef`, else the operator's own;
   * undefined for a public CA.
   * @throws {AranyaError} "not_found" when the Secret does not exist, "unavailable" while that is
   * not known
   */
  #readCa(): string | undefined {
    const { edge, context: { kube, operator }, name } = this.#device;
    const reference = edge.spec?.connectivity?.grpcConfig?.tlsSecretRef?.name;
    if (reference === undefined) return operator.ca;
    const secret = kube.sources.findSecret(kube.namespace, reference);
    if (secret) return secretText(secret, "ca.crt");
    const isKnown = kube.sources.stateOf(kube.namespace).kind === "ready";
    throw new AranyaError(
      isKnown ? "not_found" : "unavailable",
      `Cannot write Secret "${
        agentSecretName(name)
      }": Secret "${reference}" of tlsSecretRef ${
        isKnown ? "does not exist" : "was not read yet"
      }`,
    );
  }
}

/**
 * Returns the contents of the certificate of a bundle that ends last; undefined when there is none,
 * or one can't be read.
 */
async function inspectLatest(
  bundle: string,
): Promise<CertificateFacts | undefined> {
  try {
    const all = await Promise.all(splitPem(bundle).map(inspectCertificate));
    return all.sort((left, right) => right.notAfterMs - left.notAfterMs)[0];
  } catch {
    return undefined; // the agent names what it can't read
  }
}

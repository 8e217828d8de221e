// SPDX-License-Identifier: Apache-2.0
/** Certificates with their keys in Secrets of type kubernetes.io/tls. */
import { defined, hasCode } from "../../shared/base/mod.ts";
import { secretText } from "../device/mod.ts";
import { type KubeClient, SECRET, type Secret } from "../kube/mod.ts";
import type { KeyPair } from "../pki/mod.ts";

const LABELS = { "app.kubernetes.io/managed-by": "aranya" };

/** Returns a Secret with a certificate and its key. */
export function toTlsSecret(
  pair: KeyPair,
  ref: { namespace: string; name: string },
): Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { ...ref, labels: LABELS },
    type: "kubernetes.io/tls",
    data: { "tls.crt": btoa(pair.cert), "tls.key": btoa(pair.key) },
  };
}

/** Returns certificate and key of a Secret; undefined when one of them is missing. */
export function readTlsSecret(secret: Secret | undefined): KeyPair | undefined {
  const cert = secretText(secret, "tls.crt");
  const key = secretText(secret, "tls.key");
  return cert && key ? { cert, key } : undefined;
}

/** Returns whether the operator made a Secret that belongs to no device. */
export function isOperatorSecret({ metadata }: Secret): boolean {
  return Object.entries(LABELS).every(([key, value]) =>
    metadata.labels?.[key] === value
  );
}

/**
 * Creates the Secret; when it exists, replaces type and data but leaves its metadata alone. Returns
 * false when a Secret of the name exists that the operator did not make; it is not changed.
 */
export async function writeSecret(
  client: KubeClient,
  { secret, signal }: { secret: Secret; signal: AbortSignal },
): Promise<boolean> {
  const { metadata: { namespace, name }, type, data } = secret;
  try {
    await client.create(SECRET, secret, { signal });
    return true;
  } catch (error) {
    if (!hasCode(error, "already_exists")) throw error;
  }
  const found = await client.get(SECRET, { namespace, name }, { signal });
  if (!isOperatorSecret(found)) return false;
  const { uid } = found.metadata;
  await client.patch(SECRET, { namespace, name }, {
    // The API server refuses another UID.
    body: { metadata: { uid }, ...defined({ type, data }) },
    signal,
  });
  return true;
}

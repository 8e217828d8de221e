// SPDX-License-Identifier: Apache-2.0
/** The operator's own CA, created once in a namespace, and the certificate of its gRPC listener. */
import { AranyaError, asAranyaError } from "../base/mod.ts";
import {
  type KubeClient,
  type KubeObject,
  type ObjectType,
  SECRET,
  type Secret,
} from "../kube/mod.ts";
import {
  createAuthority,
  inspectCertificate,
  type KeyPair,
} from "../pki/mod.ts";
import { secretText } from "../device/mod.ts";

/** Secret with the CA's certificate and key. */
export const AUTHORITY_SECRET = "aranya-ca";
const LABELS = { "app.kubernetes.io/managed-by": "aranya" };

/**
 * Reads the CA, or creates it. Two operators that do so at the same time end with the same one.
 * @throws {AranyaError} code "invalid" when the Secret holds something else; it is not touched then
 */
export async function ensureAuthority(
  client: KubeClient,
  { namespace, signal }: { namespace: string; signal: AbortSignal },
): Promise<KeyPair> {
  const ref = { namespace, name: AUTHORITY_SECRET };
  const found = await client.find(SECRET, ref, { signal });
  if (found) return await readPair(found);
  const pair = await createAuthority({ name: `aranya ${namespace}` });
  const wanted = toTlsSecret(pair, ref);
  try {
    await client.create(SECRET, wanted, { signal });
    return pair;
  } catch (error) {
    if (asAranyaError(error, "").code !== "already_exists") throw error;
  }
  return await readPair(await client.get(SECRET, ref, { signal }));
}

async function readPair(secret: Secret): Promise<KeyPair> {
  const cert = secretText(secret, "tls.crt");
  const key = secretText(secret, "tls.key");
  const facts = cert ? await inspectCertificate(cert) : undefined;
  if (!cert || !key || !facts?.isAuthority) {
    const { namespace, name } = secret.metadata;
    throw new AranyaError(
      "invalid",
      `Cannot use Secret "${namespace}/${name}": it holds no CA, expected tls.crt and tls.key of one`,
    );
  }
  return { cert, key };
}

/** A Secret of type kubernetes.io/tls. */
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

/** Creates the object, or replaces what of it differs. */
export async function put<T extends KubeObject>(
  client: KubeClient,
  type: ObjectType<T>,
  { object, signal }: { object: T; signal: AbortSignal },
): Promise<void> {
  const { namespace, name } = object.metadata;
  try {
    await client.create(type, object, { signal });
  } catch (error) {
    if (asAranyaError(error, "").code !== "already_exists") throw error;
    const { apiVersion: _version, kind: _kind, metadata: _meta, ...body } =
      object;
    await client.patch(type, { namespace, name }, { body, signal });
  }
}

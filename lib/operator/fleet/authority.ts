// SPDX-License-Identifier: Apache-2.0
/** The operator's own certificate authority, which signs what devices see. */
import { AranyaError, hasCode } from "../../shared/base/mod.ts";
import { type KubeClient, SECRET, type Secret } from "../kube/mod.ts";
import {
  createAuthority,
  inspectCertificate,
  type KeyPair,
  splitPem,
} from "../pki/mod.ts";
import { secretText } from "../device/mod.ts";
import { readTlsSecret, toTlsSecret } from "./tls_secret.ts";

/** Name of the Secret with the CA's certificate and key, in the operator's namespace. */
export const AUTHORITY_SECRET = "aranya-ca";

/** The CA, and what devices have to trust. */
export interface Authority extends KeyPair {
  /**
   * PEM of `cert` and of the other CAs in the Secret's `ca.crt`: those that a rotation moves to or
   * comes from.
   */
  readonly bundle: string;
}

/**
 * Reads the CA of a namespace, or creates it. Operators that do so at the same time all return the
 * one that was stored first.
 * @throws {AranyaError} code "invalid" when the Secret holds something else; it is left as it is
 */
export async function ensureAuthority(
  client: KubeClient,
  { namespace, signal }: { namespace: string; signal: AbortSignal },
): Promise<Authority> {
  const ref = { namespace, name: AUTHORITY_SECRET };
  const found = await client.find(SECRET, ref, { signal });
  if (found) return await readAuthority(found);
  const secret = toTlsSecret(
    await createAuthority({ name: `aranya ${namespace}` }),
    ref,
  );
  try {
    await client.create(SECRET, secret, { signal });
    return await readAuthority(secret);
  } catch (error) {
    if (!hasCode(error, "already_exists")) throw error;
  }
  return await readAuthority(await client.get(SECRET, ref, { signal }));
}

async function readAuthority(secret: Secret): Promise<Authority> {
  const pair = readTlsSecret(secret);
  const facts = pair && await inspectCertificate(pair.cert);
  if (!pair || !facts?.isAuthority) {
    const { namespace, name } = secret.metadata;
    throw new AranyaError(
      "invalid",
      `Cannot use Secret "${namespace}/${name}": it holds no CA, expected tls.crt and tls.key of one`,
    );
  }
  const others = splitPem(secretText(secret, "ca.crt") ?? "");
  const bundle = [...new Set([...splitPem(pair.cert), ...others])];
  return { ...pair, bundle: bundle.join("") };
}

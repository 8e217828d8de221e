// SPDX-License-Identifier: Apache-2.0
/** Certificates signed by the cluster, by way of a CertificateSigningRequest. */
import {
  abortable,
  AranyaError,
  defined,
  toRfc3339,
  withDeadline,
} from "../../shared/base/mod.ts";
import type { KubeClient } from "./api.ts";
import type { Informer } from "./informer.ts";
import { CERTIFICATE_SIGNING_REQUEST } from "./kinds.ts";
import type { CertificateSigningRequest } from "./objects.ts";

/** Options of {@linkcode requestCertificate}. */
export interface RequestCertificateOptions {
  client: KubeClient;
  /** Must cover the request object; may not have synced yet. */
  informer: Informer<CertificateSigningRequest>;
  /** Name of the request object; a new one for each request. */
  name: string;
  /** Labels of the request object. */
  labels?: Record<string, string>;
  /** PKCS #10 request in PEM. */
  requestPem: string;
  /** E.g. "kubernetes.io/kubelet-serving". */
  signerName: string;
  /** E.g. "digital signature" and "server auth"; which are allowed depends on the signer. */
  usages: string[];
  /** Deadline, in milliseconds. */
  timeoutMs: number;
  signal?: AbortSignal;
}

/** Short: the cluster itself deletes requests that are left behind, after an hour. */
const DELETE_TIMEOUT_MS = 5000;

/**
 * Has the cluster sign a certificate: creates the request object, approves it, waits for the
 * certificate, and deletes the object whatever the result is. Returns the PEM chain.
 * @throws {AranyaError} code "forbidden" when the request is denied, "invalid" when the signer
 * refuses it, "timed_out" when no signer signs it, "conflict" when someone deletes it
 */
export async function requestCertificate(
  options: RequestCertificateOptions,
): Promise<string> {
  const { client, name, timeoutMs, signal } = options;
  const action = `Cannot get certificate for signing request ${
    JSON.stringify(name)
  }`;
  const created = await client.create(CERTIFICATE_SIGNING_REQUEST, {
    metadata: { name, ...defined({ labels: options.labels }) },
    spec: {
      request: btoa(options.requestPem),
      signerName: options.signerName,
      usages: options.usages,
    },
  }, { signal, timeoutMs });
  try {
    return await withDeadline(async (signal) => {
      await approve(client, { created, signal });
      return await waitForCertificate(options, { created, action, signal });
    }, { timeoutMs, action, signal });
  } finally {
    await client.delete(CERTIFICATE_SIGNING_REQUEST, { name }, {
      uid: created.metadata.uid,
      timeoutMs: DELETE_TIMEOUT_MS,
    }).catch(() => false);
  }
}

async function approve(
  client: KubeClient,
  { created, signal }: {
    created: CertificateSigningRequest;
    signal: AbortSignal;
  },
): Promise<void> {
  const condition = {
    type: "Approved",
    status: "True" as const,
    reason: "AranyaApproved",
    message: "Requested and approved by the operator of this device",
    lastUpdateTime: toRfc3339(Date.now()),
  };
  await client.replace(CERTIFICATE_SIGNING_REQUEST, {
    ...created,
    status: { conditions: [condition] },
  }, { subresource: "approval", signal });
}

async function waitForCertificate(
  { informer, client }: RequestCertificateOptions,
  { created, action, signal }: {
    created: CertificateSigningRequest;
    action: string;
    signal: AbortSignal;
  },
): Promise<string> {
  const { name, uid } = created.metadata;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // It may be rejected before anything waits for it.
  promise.catch(() => {});
  const settle = (request: CertificateSigningRequest | undefined) => {
    if (!request || request.metadata.uid !== uid) return;
    const result = toResult(request, action);
    if (result instanceof AranyaError) reject(result);
    else if (result !== undefined) resolve(result);
  };
  const unsubscribe = informer.onChange(({ key, now, old }) => {
    if (key !== name) return;
    if (now) return settle(now);
    if (old?.metadata.uid === uid) {
      reject(new AranyaError("conflict", `${action}: it was deleted`));
    }
  });
  try {
    settle(informer.get(name));
    // Without its first list the informer can't know whether the request is signed already.
    if (!informer.hasSynced) {
      settle(
        await client.find(CERTIFICATE_SIGNING_REQUEST, { name }, { signal }),
      );
    }
    return await abortable(promise, signal);
  } finally {
    unsubscribe();
  }
}

/** Returns the PEM chain, the error of a refusal, or undefined while the request is pending. */
function toResult(
  request: CertificateSigningRequest,
  action: string,
): string | AranyaError | undefined {
  const { certificate, conditions = [] } = request.status ?? {};
  if (certificate) return atob(certificate);
  for (const { type, message = "" } of conditions) {
    if (type === "Denied") {
      return new AranyaError("forbidden", `${action}: denied: ${message}`);
    }
    if (type === "Failed") {
      return new AranyaError("invalid", `${action}: not signed: ${message}`);
    }
  }
  return undefined;
}

// SPDX-License-Identifier: Apache-2.0
/** Calls with a twist of their own: certificates, tokens, reviews. */
import { AranyaError, withDeadline } from "../../shared/base/mod.ts";
import type { CallOptions, KubeClient } from "./api.ts";
import type { Informer } from "./informer.ts";
import {
  CERTIFICATE_SIGNING_REQUEST,
  SUBJECT_ACCESS_REVIEW,
  TOKEN_REVIEW,
} from "./kinds.ts";
import type {
  CertificateSigningRequest,
  KubeUser,
  ResourceAttributes,
  TokenRequest,
} from "./objects.ts";

/** Options of {@linkcode requestCertificate}. */
export interface CertificateRequestOptions {
  /** Creates, approves and deletes the request. */
  client: KubeClient;
  /** Of all or of our own requests; tells when it is signed. */
  informer: Informer<CertificateSigningRequest>;
  /** Name of the request object; another one for every request. */
  name: string;
  /** Labels of the request object. */
  labels?: Record<string, string>;
  /** PEM of the PKCS#10 request. */
  requestPem: string;
  /** Who is to sign, e.g. "kubernetes.io/kubelet-serving". */
  signerName: string;
  /** Key usages, e.g. "server auth". */
  usages: string[];
  /** Wished life; the signer may shorten it. */
  expirationSeconds?: number;
  /** Approves it too; needs the right. @default true */
  approve?: boolean;
  /** In milliseconds. */
  timeoutMs: number;
  /** Ends the wait early. */
  signal?: AbortSignal;
}

/**
 * Has the cluster sign a certificate: creates the request, approves it, waits, and deletes the request object.
 * @returns the PEM chain
 * @throws {AranyaError} "forbidden" when it is denied, "invalid" when signing failed, "timed_out" when nobody signs
 */
export async function requestCertificate(
  options: CertificateRequestOptions,
): Promise<string> {
  const { client, name, requestPem, timeoutMs, signal } = options;
  const action = `Cannot get a certificate by request ${JSON.stringify(name)}`;
  const created = await client.create(CERTIFICATE_SIGNING_REQUEST, {
    metadata: {
      name,
      ...(options.labels === undefined ? {} : { labels: options.labels }),
    },
    spec: {
      request: btoa(requestPem),
      signerName: options.signerName,
      usages: options.usages,
      ...(options.expirationSeconds === undefined
        ? {}
        : { expirationSeconds: options.expirationSeconds }),
    },
  }, { signal, timeoutMs });
  try {
    return await withDeadline(async (signal) => {
      if (options.approve ?? true) await approve(client, { created, signal });
      return await waitForSignature(options, { created, action, signal });
    }, { timeoutMs, action, signal });
  } finally {
    // What stays behind is deleted by the cluster itself after an hour.
    await client.delete(CERTIFICATE_SIGNING_REQUEST, { name }, {
      uid: created.metadata.uid,
      timeoutMs: 5000,
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
    lastUpdateTime: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
  };
  await client.replace(CERTIFICATE_SIGNING_REQUEST, {
    ...created,
    status: { conditions: [condition] },
  }, { subresource: "approval", signal });
}

async function waitForSignature(
  { informer, client }: CertificateRequestOptions,
  { created, action, signal }: {
    created: CertificateSigningRequest;
    action: string;
    signal: AbortSignal;
  },
): Promise<string> {
  const { name, uid } = created.metadata;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  promise.catch(() => {});
  const judge = (request: CertificateSigningRequest | undefined) => {
    if (!request || request.metadata.uid !== uid) return;
    const outcome = judgeRequest(request, action);
    if (outcome instanceof AranyaError) reject(outcome);
    else if (outcome !== undefined) resolve(outcome);
  };
  const stop = informer.onChange(({ key, now, old }) => {
    if (key !== name) return;
    if (now) return judge(now);
    if (old?.metadata.uid === uid) {
      reject(new AranyaError("conflict", `${action}: it was deleted`));
    }
  });
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    judge(informer.get(name));
    // An informer that isn't up yet must not hide what has happened.
    if (!informer.hasSynced) {
      judge(
        await client.find(CERTIFICATE_SIGNING_REQUEST, { name }, { signal }),
      );
    }
    return await promise;
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}

/** The chain, an error, or undefined while nothing has been decided. */
function judgeRequest(
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

/** Asks who bears this token. @returns undefined when it is not valid */
export async function reviewToken(
  client: KubeClient,
  options: CallOptions & { token: string; audiences?: string[] },
): Promise<KubeUser | undefined> {
  const { token, audiences, ...call } = options;
  const review = await client.create(TOKEN_REVIEW, {
    metadata: { name: "" },
    spec: { token, ...(audiences === undefined ? {} : { audiences }) },
  }, call);
  return review.status?.authenticated ? review.status.user ?? {} : undefined;
}

/** Asks whether this user may do that. */
export async function reviewAccess(
  client: KubeClient,
  options: CallOptions & { user: KubeUser; resource: ResourceAttributes },
): Promise<{ allowed: boolean; reason: string }> {
  const { user, resource, ...call } = options;
  const { username, ...rest } = user;
  const review = await client.create(SUBJECT_ACCESS_REVIEW, {
    metadata: { name: "" },
    spec: {
      ...rest,
      ...(username === undefined ? {} : { user: username }),
      resourceAttributes: resource,
    },
  }, call);
  return {
    allowed: review.status?.allowed === true && review.status.denied !== true,
    reason: review.status?.reason ?? "",
  };
}

/** Gets a token of a service account. */
export async function requestToken(
  client: KubeClient,
  options: CallOptions & {
    namespace: string;
    serviceAccount: string;
    spec: TokenRequest["spec"];
  },
): Promise<{ token: string; expiresMs: number }> {
  const { namespace, serviceAccount, spec, ...call } = options;
  const action =
    `create serviceaccounts/token "${namespace}/${serviceAccount}"`;
  const reply = await client.request({
    ...call,
    method: "POST",
    path: `/api/v1/namespaces/${
      encodeURIComponent(namespace)
    }/serviceaccounts/${encodeURIComponent(serviceAccount)}/token`,
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec,
    },
    action,
  }) as TokenRequest;
  if (!reply.status?.token) {
    throw new AranyaError("internal", `Cannot ${action}: the reply has none`);
  }
  return {
    token: reply.status.token,
    expiresMs: Date.parse(reply.status.expirationTimestamp),
  };
}

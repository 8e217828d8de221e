// SPDX-License-Identifier: Apache-2.0
/** Calls to the authentication and authorization APIs: reviews, and tokens of service accounts. */
import { AranyaError, defined } from "../../shared/base/mod.ts";
import type { CallOptions, KubeClient } from "./api.ts";
import { SUBJECT_ACCESS_REVIEW, TOKEN_REVIEW } from "./kinds.ts";
import type { KubeUser, ResourceAttributes, TokenRequest } from "./objects.ts";

/**
 * Has the API server authenticate a bearer token (TokenReview). Resolves with its user, or with
 * undefined when the token isn't valid.
 */
export async function reviewToken(
  client: KubeClient,
  options: CallOptions & { token: string },
): Promise<KubeUser | undefined> {
  const { token, ...call } = options;
  const review = await client.create(TOKEN_REVIEW, {
    metadata: { name: "" },
    spec: { token },
  }, call);
  return review.status?.authenticated ? review.status.user ?? {} : undefined;
}

/** Has the API server authorize a user (SubjectAccessReview); `reason` is for the log. */
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
      ...defined({ user: username }),
      resourceAttributes: resource,
    },
  }, call);
  return {
    allowed: review.status?.allowed === true && review.status.denied !== true,
    reason: review.status?.reason ?? "",
  };
}

/**
 * Creates a token of a service account (TokenRequest); `expiresMs` is in milliseconds since 1970.
 * @throws {AranyaError} also code "not_found" when there is no such service account
 */
export async function requestToken(
  client: Pick<KubeClient, "request">,
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
    throw new AranyaError(
      "internal",
      `Cannot ${action}: the reply has no token`,
    );
  }
  return {
    token: reply.status.token,
    expiresMs: Date.parse(reply.status.expirationTimestamp),
  };
}

// SPDX-License-Identifier: Apache-2.0
/** Authentication and authorization of kubelet API requests by the API server. */
import { defined } from "../../shared/base/mod.ts";
import { type KubeClient, reviewAccess, reviewToken } from "../kube/mod.ts";
import { KubeletAuth } from "../kubelet/mod.ts";

/**
 * Returns the authenticator and authorizer of all kubelet servers. Clients are identified by
 * TokenReviews, and access to a subresource of the node is decided by SubjectAccessReviews, as with
 * a kubelet's `--authentication-token-webhook` and `--authorization-mode=Webhook`.
 */
export function createAccessReviews(client: KubeClient): KubeletAuth {
  return new KubeletAuth({
    async reviewToken(token, signal) {
      const user = await reviewToken(client, { token, signal });
      return user && {
        name: user.username ?? "",
        groups: user.groups ?? [],
        ...defined({ uid: user.uid || undefined, extra: user.extra }),
      };
    },
    async reviewAccess({ user, verb, subresource, node }, signal) {
      const { allowed } = await reviewAccess(client, {
        user: {
          username: user.name,
          groups: user.groups,
          ...defined({ uid: user.uid || undefined, extra: user.extra }),
        },
        resource: {
          verb,
          resource: "nodes",
          subresource,
          name: node,
          version: "v1",
        },
        signal,
      });
      return allowed;
    },
  });
}

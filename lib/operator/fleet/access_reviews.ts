// SPDX-License-Identifier: Apache-2.0
/** Authentication and authorization of kubelet API requests by the API server. */
import { defined } from "../../shared/base/mod.ts";
import { type KubeClient, reviewAccess, reviewToken } from "../kube/mod.ts";
import { KubeletAuth } from "../kubelet/mod.ts";

/**
 * Returns what decides about requests to kubelet servers: TokenReviews tell who the client is,
 * SubjectAccessReviews whether it may use the subresource of the node, as with a kubelet's
 * `--authentication-token-webhook` and `--authorization-mode=Webhook`. One serves all devices.
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

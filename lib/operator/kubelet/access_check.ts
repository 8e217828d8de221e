// SPDX-License-Identifier: Apache-2.0
/**
 * Authenticates and authorizes every request before it is routed. The mapping of users and of paths
 * to node subresources follows kubelet pkg/kubelet/server/auth.go@v1.34.
 */
import type { TLSSocket } from "node:tls";
import type { Logger } from "../../shared/base/mod.ts";
import type { KubeletAuth, KubeletUser } from "./auth.ts";
import { type Answer, type Request, textAnswer } from "./exchange.ts";

/** Options of {@linkcode checkAccess}. */
export interface CheckAccessOptions {
  auth: KubeletAuth;
  nodeName: string;
  path: string;
  log: Logger;
}

/**
 * Returns undefined when the request is allowed, else the kubelet's refusal: 401, 403, or 500 when
 * the review failed.
 */
export async function checkAccess(
  request: Request,
  options: CheckAccessOptions,
): Promise<Answer | undefined> {
  const { auth, nodeName: node, log } = options;
  const user = await authenticate(request, options);
  if (!user) return textAnswer(401, "Unauthorized");
  const verb = toVerb(request.method ?? "");
  const subresources = toSubresources(options.path);
  for (const subresource of subresources) {
    try {
      if (await auth.authorize({ user, verb, subresource, node })) {
        return undefined;
      }
    } catch (error) {
      log.warn("access review failed", { node, error });
      return textAnswer(
        500,
        `Authorization error (user=${user.name}, verb=${verb}, resource=nodes, subresource=${subresource})`,
      );
    }
  }
  return textAnswer(
    403,
    `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${
      subresources.join(" ")
    }])\n`,
  );
}

/** Tries the client certificate, then the bearer token. */
async function authenticate(
  request: Request,
  { auth, nodeName: node, log }: CheckAccessOptions,
): Promise<KubeletUser | undefined> {
  const socket = request.socket as TLSSocket;
  if (socket.authorized) {
    const subject = socket.getPeerCertificate()?.subject;
    const user = subject && toUser(subject);
    if (user) return user;
  }
  const token = toBearerToken(request.headers.authorization);
  if (!token) return undefined;
  try {
    const user = await auth.authenticateToken(token);
    return user && withAuthenticated(user);
  } catch (error) {
    log.warn("token review failed", { node, error });
    return undefined;
  }
}

/** Group of all authenticated users. */
export const AUTHENTICATED_GROUP = "system:authenticated";

const VERBS: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** Subresources by path: the right to any one of them is enough. */
const SUBRESOURCES: readonly { path: string; names: string[] }[] = [
  { path: "/stats", names: ["stats"] },
  { path: "/metrics", names: ["metrics"] },
  { path: "/logs", names: ["log"] },
  { path: "/checkpoint", names: ["checkpoint"] },
  { path: "/statusz", names: ["statusz"] },
  { path: "/pods", names: ["pods", "proxy"] },
  { path: "/runningpods", names: ["pods", "proxy"] },
  { path: "/healthz", names: ["healthz", "proxy"] },
  { path: "/configz", names: ["configz", "proxy"] },
  { path: "/flagz", names: ["configz"] },
];

/** Returns the API verb of an HTTP method; empty for methods without one. */
export function toVerb(method: string): string {
  return VERBS[method] ?? "";
}

/**
 * Returns the node subresources that a path belongs to, in the order in which they are reviewed.
 */
export function toSubresources(path: string): string[] {
  const match = SUBRESOURCES.find((entry) =>
    path === entry.path || path.startsWith(`${entry.path}/`)
  );
  return match?.names ?? ["proxy"];
}

/**
 * Returns the user of a verified client certificate: CN is the name, each O a group. Undefined
 * without a CN.
 */
export function toUser(
  subject: { CN?: string | string[]; O?: string | string[] },
): KubeletUser | undefined {
  const name = [subject.CN ?? ""].flat()[0];
  if (!name) return undefined;
  return withAuthenticated({ name, groups: [subject.O ?? []].flat() });
}

/** Returns the user with {@linkcode AUTHENTICATED_GROUP} among its groups. */
export function withAuthenticated(user: KubeletUser): KubeletUser {
  return user.groups.includes(AUTHENTICATED_GROUP)
    ? user
    : { ...user, groups: [...user.groups, AUTHENTICATED_GROUP] };
}

/** Returns the bearer token of an Authorization header; undefined when it has none. */
export function toBearerToken(header: string | undefined): string | undefined {
  const match = /^bearer +(\S+)$/i.exec(header ?? "");
  return match?.[1];
}

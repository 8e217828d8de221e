// SPDX-License-Identifier: Apache-2.0
/**
 * The door of every path: nobody gets further without a name and a right. What a sender is called, and what a request asks for in terms of nodes'
 * subresources, follows kubelet pkg/kubelet/server/auth.go@v1.34.
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

/** Undefined when the sender may go on, else what it is told, in a kubelet's words. */
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
      log.warn("could not review access", { node, error });
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

/** A client certificate first, then a token; both may be there. */
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
    log.warn("could not review a token", { node, error });
    return undefined;
  }
}

/** Everyone who was authenticated belongs to this group. */
export const AUTHENTICATED_GROUP = "system:authenticated";

const VERBS: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** Subresources by path; any one that is allowed suffices. What has "proxy" in it may be reached with nodes/proxy too. */
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

/** The API verb of an HTTP method, empty for methods without one. */
export function toVerb(method: string): string {
  return VERBS[method] ?? "";
}

/** Which subresources of its node a path belongs to, in the order in which they are asked for. */
export function toSubresources(path: string): string[] {
  const match = SUBRESOURCES.find((entry) =>
    path === entry.path || path.startsWith(`${entry.path}/`)
  );
  return match?.names ?? ["proxy"];
}

/** The user that a verified client certificate's subject names (CN and every O), or undefined when it names none. */
export function toUser(
  subject: { CN?: string | string[]; O?: string | string[] },
): KubeletUser | undefined {
  const name = [subject.CN ?? ""].flat()[0];
  if (!name) return undefined;
  return withAuthenticated({ name, groups: [subject.O ?? []].flat() });
}

/** The user with the group of everyone who was authenticated. */
export function withAuthenticated(user: KubeletUser): KubeletUser {
  return user.groups.includes(AUTHENTICATED_GROUP)
    ? user
    : { ...user, groups: [...user.groups, AUTHENTICATED_GROUP] };
}

/** The token of an Authorization header, or undefined when it holds none. */
export function toBearerToken(header: string | undefined): string | undefined {
  const match = /^bearer +(\S+)$/i.exec(header ?? "");
  return match?.[1];
}

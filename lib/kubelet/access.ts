// SPDX-License-Identifier: Apache-2.0
/** What a request's sender is called, and what the request asks for in terms of nodes' subresources (kubelet pkg/kubelet/server/auth.go@v1.34). */
import type { KubeletUser } from "./auth.ts";

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

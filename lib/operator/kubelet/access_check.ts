// SPDX-License-Identifier: Apache-2.0
/**
 * Authenticates and authorizes every request before it is routed. The mapping of users and of paths
 * to node subresources follows kubelet pkg/kubelet/server/auth.go@v1.34.
 */
import type { TLSSocket } from "node:tls";
import type { Logger, LogLimit } from "../../shared/base/mod.ts";
import { toNetwork, toPeer } from "../../shared/guard/mod.ts";
import type { KubeletAuth, KubeletUser } from "./auth.ts";
import { type Answer, type Request, textAnswer } from "./exchange.ts";
import { isOverloaded } from "./review_pool.ts";

/** Options of {@linkcode checkAccess}. */
export interface CheckAccessOptions {
  auth: KubeletAuth;
  nodeName: string;
  path: string;
  log: Logger;
  /** Bounds the lines about failed reviews, which any client may cause. */
  logLimit: LogLimit;
}

const OVERLOADED = textAnswer(503, "Service Unavailable: too many reviews");

/**
 * Returns undefined when the request is allowed, else the answer: 401 without a valid certificate
 * or token, or when the token can't be reviewed; 403 when the user lacks the right; 500 when the
 * access review failed; 503 when too many reviews are waiting.
 */
export async function checkAccess(
  request: Request,
  options: CheckAccessOptions,
): Promise<Answer | undefined> {
  try {
    const user = await authenticate(request, options);
    if (!user) return textAnswer(401, "Unauthorized");
    return await authorize(user, {
      ...options,
      verb: toVerb(request.method ?? "", options.path),
    });
  } catch (error) {
    if (isOverloaded(error)) return OVERLOADED;
    throw error;
  }
}

async function authorize(
  user: KubeletUser,
  options: CheckAccessOptions & { verb: string },
): Promise<Answer | undefined> {
  const { auth, nodeName: node, verb } = options;
  const subresources = toSubresources(options.path);
  for (const subresource of subresources) {
    try {
      if (await auth.authorize({ user, verb, subresource, node })) {
        return undefined;
      }
    } catch (error) {
      reportFailure("access review failed", { ...options, error });
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
  options: CheckAccessOptions,
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
    const source = toNetwork(toPeer(socket));
    const user = await options.auth.authenticateToken(token, { source });
    return user && withAuthenticated(user);
  } catch (error) {
    reportFailure("token review failed", { ...options, error });
    return undefined;
  }
}

/** Logs why a review failed. @throws the error, when the review was not made at all */
function reportFailure(
  message: string,
  { nodeName: node, log, logLimit, error }: CheckAccessOptions & {
    error: unknown;
  },
): void {
  const admitted = logLimit.admit(message);
  if (admitted) log.warn(message, { ...admitted, node, error });
  if (isOverloaded(error)) throw error;
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

/**
 * Paths that act inside a container or on the host. Clients open them with GET, too: a WebSocket
 * can't be opened otherwise.
 */
const INTERACTIVE_PATHS = ["/exec", "/attach", "/portForward", "/run"];

/**
 * Returns the API verb of an HTTP method; empty for methods without one. Unlike a kubelet, it is
 * "create" on interactive paths whatever the method: the right to read "nodes/proxy" must not be
 * one to run commands.
 */
export function toVerb(method: string, path: string): string {
  return isWithin(path, INTERACTIVE_PATHS) ? "create" : VERBS[method] ?? "";
}

/**
 * Returns the node subresources that a path belongs to, in the order in which they are reviewed.
 */
export function toSubresources(path: string): string[] {
  const match = SUBRESOURCES.find((entry) => isWithin(path, [entry.path]));
  return match?.names ?? ["proxy"];
}

function isWithin(path: string, parents: readonly string[]): boolean {
  return parents.some((parent) =>
    path === parent || path.startsWith(`${parent}/`)
  );
}

/**
 * Returns the user of a verified client certificate: CN is the name, each O a group. Of several CNs
 * the last one counts, as in Go (crypto/x509/pkix, FillFromRDNSequence). Undefined without a CN.
 */
export function toUser(
  subject: { CN?: string | string[]; O?: string | string[] },
): KubeletUser | undefined {
  const name = [subject.CN ?? ""].flat().at(-1);
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

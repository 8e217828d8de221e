// SPDX-License-Identifier: Apache-2.0
/** The door of every path: nobody gets further without a name and a right. */
import type { TLSSocket } from "node:tls";
import type { Logger } from "../base/mod.ts";
import {
  toBearerToken,
  toSubresources,
  toUser,
  toVerb,
  withAuthenticated,
} from "./access.ts";
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

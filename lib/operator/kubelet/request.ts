// SPDX-License-Identifier: Apache-2.0
/** Plain requests: everything that is not upgraded. */
import {
  AranyaError,
  asAranyaError,
  type Logger,
} from "../../shared/base/mod.ts";
import type { KubeletAuth } from "./auth.ts";
import {
  type Answer,
  errorAnswer,
  jsonAnswer,
  type Request,
  type Response,
  send,
  textAnswer,
} from "./exchange.ts";
import { checkAccess } from "./gate.ts";
import type { KubeletHandlers } from "./handlers.ts";
import { sendLog } from "./logs.ts";
import {
  METRICS_CONTENT_TYPE,
  renderResourceMetrics,
} from "./resource_metrics.ts";
import { type Route, toRoute } from "./routes.ts";

/** What a server's requests need to know of it. */
export interface ServerContext {
  nodeName: string;
  handlers: KubeletHandlers;
  auth: KubeletAuth;
  log: Logger;
  /** Aborted when the server closes, with the reason that clients are told. */
  signal: AbortSignal;
}

/** Answers one request. Never rejects. */
export async function handleRequest(
  request: Request,
  response: Response,
  context: ServerContext,
): Promise<void> {
  const left = new AbortController();
  const onClose = () =>
    left.abort(
      new AranyaError("cancelled", "Cannot answer: the client has left"),
    );
  response.on("error", onClose);
  response.on("close", onClose);
  // A body has no meaning on any path; left unread it would hold up the connection.
  request.on("error", onClose);
  request.resume();
  const signal = AbortSignal.any([left.signal, context.signal]);
  try {
    const url = toUrl(request);
    const refusal = url
      ? await checkAccess(request, { ...context, path: url.pathname })
      : textAnswer(400, "Bad Request");
    if (!url || refusal) return send(response, refusal ?? NOT_FOUND);
    const route = toRoute(request.method ?? "", url.pathname);
    if (route.kind === "logs") {
      const { target } = route;
      await sendLog(response, {
        target,
        query: url.searchParams,
        signal,
        context,
      });
    } else send(response, await answer(route, { context, signal }));
  } catch (error) {
    const failure = asAranyaError(error, "Cannot answer request");
    if (failure.code === "internal") {
      context.log.error("request failed", {
        node: context.nodeName,
        error: failure,
      });
    }
    send(response, errorAnswer(failure));
  }
}

/** The request's URL, or undefined when its target is none. */
export function toUrl(request: Request): URL | undefined {
  const target = request.url ?? "";
  if (!target.startsWith("/")) return undefined;
  return URL.parse(`https://node${target}`) ?? undefined;
}

const NOT_FOUND = textAnswer(404, "404: Page Not Found");

async function answer(
  route: Route,
  { context, signal }: { context: ServerContext; signal: AbortSignal },
): Promise<Answer> {
  const { handlers } = context;
  switch (route.kind) {
    case "healthz":
      return textAnswer(200, "ok");
    case "pods":
      return jsonAnswer(await handlers.pods({ running: false }));
    case "runningPods":
      return jsonAnswer(await handlers.pods({ running: true }));
    case "summary":
      return jsonAnswer(await handlers.stats(signal));
    case "resourceMetrics":
      return await resourceMetrics({ context, signal });
    case "exec":
    case "attach":
    case "portForward":
      return textAnswer(400, "Upgrade request required");
    case "methodNotAllowed":
      return textAnswer(405, "405: Method Not Allowed");
    case "unsupported":
      return textAnswer(
        501,
        `Cannot serve ${route.what}: nodes of devices do not have it`,
      );
    default:
      return NOT_FOUND;
  }
}

/** A scrape that fails is itself a figure, as at a kubelet: the scraper learns of it and goes on. */
async function resourceMetrics(
  { context, signal }: { context: ServerContext; signal: AbortSignal },
): Promise<Answer> {
  const summary = await context.handlers.stats(signal).catch((error) => {
    context.log.debug("could not get statistics", {
      node: context.nodeName,
      error,
    });
    return undefined;
  });
  return {
    status: 200,
    contentType: METRICS_CONTENT_TYPE,
    body: renderResourceMetrics(summary),
  };
}

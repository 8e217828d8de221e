// SPDX-License-Identifier: Apache-2.0
/** Requests that are not upgraded. */
import {
  AranyaError,
  asAranyaError,
  type Logger,
  type LogLimit,
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
import { checkAccess } from "./access_check.ts";
import type { KubeletHandlers } from "./handlers.ts";
import { sendLog } from "./logs.ts";
import {
  METRICS_CONTENT_TYPE,
  renderResourceMetrics,
} from "./resource_metrics.ts";
import { type Route, toRoute } from "./routes.ts";

/** What the requests to one server share. */
export interface ServerContext {
  nodeName: string;
  handlers: KubeletHandlers;
  auth: KubeletAuth;
  log: Logger;
  /** Bounds the lines about failed reviews. */
  logLimit: LogLimit;
  /**
   * Called when a request is allowed: its connection no longer counts against the limit for
   * unauthenticated clients.
   */
  onAllowed: (request: Request) => void;
  /** Aborted when the server closes, with the reason for its clients. */
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
  request.on("error", onClose);
  const signal = AbortSignal.any([left.signal, context.signal]);
  try {
    const url = toUrl(request);
    const refusal = url
      ? await checkAccess(request, { ...context, path: url.pathname })
      : textAnswer(400, "Bad Request");
    if (!url || refusal) return send(response, refusal ?? NOT_FOUND);
    context.onAllowed(request);
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

/** Returns the URL of a request; undefined when its target is not a path. */
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
        `Cannot serve ${route.what}: not supported by nodes of devices`,
      );
    default:
      return NOT_FOUND;
  }
}

/**
 * Renders the metrics. Failed statistics become `resource_scrape_error 1` with status 200, as at a
 * kubelet.
 */
async function resourceMetrics(
  { context, signal }: { context: ServerContext; signal: AbortSignal },
): Promise<Answer> {
  const summary = await context.handlers.stats(signal).catch((error) => {
    context.log.debug("statistics not available", {
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

// SPDX-License-Identifier: Apache-2.0
/** Routes of the kubelet API (kubelet pkg/kubelet/server/server.go@v1.34). */
import type { PodTarget } from "../../shared/exec/mod.ts";

/** The route of a request. */
export type Route =
  | { kind: "exec" | "attach" | "portForward" | "logs"; target: PodTarget }
  | {
    kind: "pods" | "runningPods" | "summary" | "resourceMetrics" | "healthz";
  }
  | { kind: "unsupported"; what: string }
  | { kind: "methodNotAllowed" }
  | { kind: "unknown" };

const EXACT: Readonly<Record<string, { route: Route; methods: string[] }>> = {
  "/pods": { route: { kind: "pods" }, methods: ["GET"] },
  "/runningpods": { route: { kind: "runningPods" }, methods: ["GET"] },
  "/stats/summary": { route: { kind: "summary" }, methods: ["GET", "POST"] },
  "/metrics/resource": {
    route: { kind: "resourceMetrics" },
    methods: ["GET"],
  },
  "/healthz": { route: { kind: "healthz" }, methods: ["GET"] },
  "/healthz/ping": { route: { kind: "healthz" }, methods: ["GET"] },
  "/healthz/log": { route: { kind: "healthz" }, methods: ["GET"] },
  "/healthz/syncloop": { route: { kind: "healthz" }, methods: ["GET"] },
};

const STREAMS: Readonly<
  Record<string, "exec" | "attach" | "portForward" | "logs">
> = {
  exec: "exec",
  attach: "attach",
  portForward: "portForward",
  containerLogs: "logs",
};

/** First segments of kubelet paths that aren't served here. */
const UNSUPPORTED = [
  "run",
  "checkpoint",
  "configz",
  "logs",
  "debug",
  "flagz",
  "statusz",
  "stats",
  "metrics",
  "cri",
];

/**
 * Returns the route of a method and a path; an unknown path or a wrong method is a route as well.
 */
export function toRoute(method: string, path: string): Route {
  const trimmed = path.length > 1 ? path.replace(/\/$/, "") : path;
  const exact = Object.hasOwn(EXACT, trimmed) ? EXACT[trimmed] : undefined;
  if (exact) {
    return exact.methods.includes(method)
      ? exact.route
      : { kind: "methodNotAllowed" };
  }
  const [first = "", ...rest] = trimmed.slice(1).split("/");
  const kind = Object.hasOwn(STREAMS, first) ? STREAMS[first] : undefined;
  if (!kind) {
    return UNSUPPORTED.includes(first)
      ? { kind: "unsupported", what: `/${first}` }
      : { kind: "unknown" };
  }
  const target = toTarget(kind, rest.map(decodeSegment));
  if (!target) return { kind: "unknown" };
  const methods = kind === "logs" ? ["GET"] : ["GET", "POST"];
  return methods.includes(method)
    ? { kind, target }
    : { kind: "methodNotAllowed" };
}

/**
 * Parses the path segments: exec and attach namespace/pod[/uid]/container, portForward
 * namespace/pod[/uid], logs namespace/pod/container.
 */
function toTarget(
  kind: "exec" | "attach" | "portForward" | "logs",
  segments: (string | undefined)[],
): PodTarget | undefined {
  const [namespace, pod, third, fourth, ...more] = segments;
  if (!namespace || !pod || more.length > 0 || segments.includes(undefined)) {
    return undefined;
  }
  if (segments.includes("")) return undefined;
  if (kind === "portForward") {
    if (fourth) return undefined;
    return { namespace, pod, container: "", ...(third && { uid: third }) };
  }
  if (!third) return undefined;
  if (!fourth) return { namespace, pod, container: third };
  if (kind === "logs") return undefined;
  return { namespace, pod, container: fourth, uid: third };
}

function decodeSegment(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type Route, toRoute } from "../../../lib/operator/kubelet/routes.ts";

const WEB = { namespace: "default", pod: "web" };

for (
  const [method, path, route] of [
    ["GET", "/pods", { kind: "pods" }],
    ["GET", "/pods/", { kind: "pods" }],
    ["GET", "/runningpods/", { kind: "runningPods" }],
    ["GET", "/stats/summary", { kind: "summary" }],
    ["GET", "/metrics/resource", { kind: "resourceMetrics" }],
    ["GET", "/healthz", { kind: "healthz" }],
    ["POST", "/exec/default/web/app", {
      kind: "exec",
      target: { ...WEB, container: "app" },
    }],
    ["GET", "/exec/default/web/u-1/app", {
      kind: "exec",
      target: { ...WEB, container: "app", uid: "u-1" },
    }],
    ["POST", "/attach/default/web/app", {
      kind: "attach",
      target: { ...WEB, container: "app" },
    }],
    ["POST", "/portForward/default/web", {
      kind: "portForward",
      target: { ...WEB, container: "" },
    }],
    ["POST", "/portForward/default/web/u-1", {
      kind: "portForward",
      target: { ...WEB, container: "", uid: "u-1" },
    }],
    ["GET", "/containerLogs/default/web/app", {
      kind: "logs",
      target: { ...WEB, container: "app" },
    }],
    ["POST", "/containerLogs/default/web/app", { kind: "methodNotAllowed" }],
    ["DELETE", "/exec/default/web/app", { kind: "methodNotAllowed" }],
    ["PUT", "/pods", { kind: "methodNotAllowed" }],
    ["POST", "/run/default/web/app", { kind: "unsupported", what: "/run" }],
    ["GET", "/configz", { kind: "unsupported", what: "/configz" }],
    ["GET", "/metrics/cadvisor", { kind: "unsupported", what: "/metrics" }],
    ["GET", "/logs/syslog", { kind: "unsupported", what: "/logs" }],
    ["POST", "/checkpoint/a/b/c", {
      kind: "unsupported",
      what: "/checkpoint",
    }],
    ["GET", "/", { kind: "unknown" }],
    ["GET", "/exec", { kind: "unknown" }],
    ["GET", "/exec/default/web", { kind: "unknown" }],
    ["GET", "/exec/default//app", { kind: "unknown" }],
    ["GET", "/exec/a/b/c/d/e", { kind: "unknown" }],
    ["GET", "/containerLogs/a/b/c/d", { kind: "unknown" }],
    ["GET", "/exec/default/%ff/app", { kind: "unknown" }],
    ["GET", "/constructor", { kind: "unknown" }],
    ["GET", "/__proto__/a/b", { kind: "unknown" }],
  ] as [string, string, Route][]
) {
  Deno.test(`toRoute() finds ${route.kind} for ${method} ${path}`, () => {
    assert.deepEqual(toRoute(method, path), route);
  });
}

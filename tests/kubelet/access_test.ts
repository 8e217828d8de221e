// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  toBearerToken,
  toSubresources,
  toUser,
  toVerb,
} from "../../lib/kubelet/access.ts";

for (
  const [path, subresources] of [
    ["/stats/summary", ["stats"]],
    ["/stats", ["stats"]],
    ["/statsx", ["proxy"]],
    ["/metrics/resource", ["metrics"]],
    ["/logs/syslog", ["log"]],
    ["/pods", ["pods", "proxy"]],
    ["/runningpods/", ["pods", "proxy"]],
    ["/healthz/ping", ["healthz", "proxy"]],
    ["/exec/default/web/app", ["proxy"]],
    ["/containerLogs/default/web/app", ["proxy"]],
    ["/", ["proxy"]],
  ] as const
) {
  Deno.test(`toSubresources() asks for ${subresources.join(" or ")} on ${path}`, () => {
    assert.deepEqual(toSubresources(path), [...subresources]);
  });
}

Deno.test("toVerb() knows the methods that Kubernetes has verbs for", () => {
  const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "x"];
  assert.deepEqual(methods.map(toVerb), [
    "get",
    "create",
    "update",
    "patch",
    "delete",
    "",
    "",
  ]);
});

Deno.test("toUser() reads name and groups of a certificate's subject", () => {
  assert.deepEqual(toUser({ CN: "api", O: ["a", "b"] }), {
    name: "api",
    groups: ["a", "b", "system:authenticated"],
  });
  assert.deepEqual(toUser({ CN: "api", O: "system:authenticated" })?.groups, [
    "system:authenticated",
  ]);
  assert.equal(toUser({ O: "masters" }), undefined);
});

Deno.test("toBearerToken() takes a bearer's token only", () => {
  assert.equal(toBearerToken("Bearer abc.def"), "abc.def");
  assert.equal(toBearerToken("bearer  x"), "x");
  for (const header of [undefined, "", "Basic abc", "Bearer", "Bearer a b"]) {
    assert.equal(toBearerToken(header), undefined);
  }
});

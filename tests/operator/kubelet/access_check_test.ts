// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  toBearerToken,
  toSubresources,
  toUser,
  toVerb,
} from "../../../lib/operator/kubelet/access_check.ts";
import { KubeletRig } from "../../../dev/world/kubelet_rig.ts";

Deno.test("checkAccess() authenticates a client by its certificate", async () => {
  await using kubelet = await KubeletRig.start();
  assert.equal((await kubelet.request("/pods")).status, 200);
  assert.deepEqual(kubelet.reviews.questions, [{
    user: { name: "api", groups: ["masters", "system:authenticated"] },
    verb: "get",
    subresource: "pods",
    node: "edge-1",
  }]);
});

Deno.test("checkAccess() answers 401 to a client without certificate and token", async () => {
  await using kubelet = await KubeletRig.start();
  for (const path of ["/pods", "/healthz", "/nonsense", "/exec/a/b/c"]) {
    const { status, body } = await kubelet.request(path, { as: null });
    assert.deepEqual([status, body], [401, "Unauthorized"]);
  }
  assert.deepEqual(kubelet.reviews.questions, []);
});

Deno.test("checkAccess() answers 401 to a certificate of another CA", async () => {
  await using kubelet = await KubeletRig.start();
  const as = kubelet.certificates.untrusted;
  assert.equal((await kubelet.request("/pods", { as })).status, 401);
});

Deno.test("checkAccess() authenticates a client by its token", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.reviews.users.set("secret", { name: "prometheus", groups: ["sa"] });
  const answers = await Promise.all([
    kubelet.request("/metrics/resource", { as: null, token: "secret" }),
    kubelet.request("/metrics/resource", { as: null, token: "wrong" }),
  ]);
  assert.deepEqual(answers.map(({ status }) => status), [200, 401]);
  assert.deepEqual(kubelet.reviews.questions[0]?.user, {
    name: "prometheus",
    groups: ["sa", "system:authenticated"],
  });
});

Deno.test("checkAccess() answers 403 with the kubelet's message", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.reviews.allow = () => false;
  const pods = await kubelet.request("/pods");
  assert.equal(pods.status, 403);
  assert.equal(
    pods.body,
    "Forbidden (user=api, verb=get, resource=nodes, subresource(s)=[pods proxy])\n",
  );
  const exec = await kubelet.request("/exec/default/web/app", {
    method: "POST",
  });
  assert.match(exec.body, /verb=create, .*\[proxy\]/);
});

Deno.test("checkAccess() allows a request when any one of its subresources is allowed", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.reviews.allow = ({ subresource }) => subresource === "proxy";
  assert.equal((await kubelet.request("/pods")).status, 200);
  assert.equal((await kubelet.request("/stats/summary")).status, 403);
});

Deno.test("checkAccess() answers 500 when access can't be reviewed, and 401 when a token can't", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.reviews.allow = () => {
    throw new Error("API server is away");
  };
  const answer = await kubelet.request("/pods");
  assert.equal(answer.status, 500);
  assert.match(answer.body, /^Authorization error \(user=api, verb=get/);
  kubelet.reviews.users.get = () => {
    throw new Error("API server is away");
  };
  const { status } = await kubelet.request("/pods", { as: null, token: "x" });
  assert.equal(status, 401);
});

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
  Deno.test(`toSubresources() returns ${subresources.join(" or ")} on ${path}`, () => {
    assert.deepEqual(toSubresources(path), [...subresources]);
  });
}

Deno.test("checkAccess() demands create for exec, attach and port-forward whatever the method", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.reviews.allow = ({ verb }) => verb === "get";
  for (const path of ["/exec/a/b/c", "/attach/a/b/c", "/portForward/a/b"]) {
    for (const method of ["GET", "POST"]) {
      const { status, body } = await kubelet.request(path, {
        method,
        headers: {
          Connection: "Upgrade",
          Upgrade: "SPDY/3.1",
          "X-Stream-Protocol-Version": "v4.channel.k8s.io",
        },
      });
      assert.equal(status, 403, `${method} ${path}`);
      assert.match(body, /verb=create/);
    }
  }
  // A log is only read.
  assert.notEqual((await kubelet.request("/containerLogs/a/b/c")).status, 403);
});

Deno.test("checkAccess() answers 503 to tokens whose review would have to wait behind too many, and serves certificates", async () => {
  await using kubelet = await KubeletRig.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  kubelet.reviews.ready = promise;
  const pending = Array.from(
    { length: 80 },
    (_, index) =>
      kubelet.request("/pods", { as: null, token: `made-up-${index}` }),
  );
  const first = await Promise.race(pending);
  assert.deepEqual([first.status, first.body], [
    503,
    "Service Unavailable: too many reviews",
  ]);
  assert.equal((await kubelet.request("/pods")).status, 200);
  resolve();
  const statuses = (await Promise.all(pending)).map(({ status }) => status);
  assert.equal(statuses.filter((status) => status === 401).length, 64);
  assert.equal(statuses.filter((status) => status === 503).length, 16);
});

Deno.test("toVerb() maps the HTTP methods that have a Kubernetes verb", () => {
  const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "x"];
  assert.deepEqual(methods.map((method) => toVerb(method, "/pods")), [
    "get",
    "create",
    "update",
    "patch",
    "delete",
    "",
    "",
  ]);
});

Deno.test("toUser() reads name and groups from a certificate's subject", () => {
  assert.deepEqual(toUser({ CN: "api", O: ["a", "b"] }), {
    name: "api",
    groups: ["a", "b", "system:authenticated"],
  });
  assert.deepEqual(toUser({ CN: "api", O: "system:authenticated" })?.groups, [
    "system:authenticated",
  ]);
  assert.equal(toUser({ O: "masters" }), undefined);
});

Deno.test("toUser() takes the last of several CNs, as the API server does", () => {
  const subject = { CN: ["kube-apiserver-kubelet-client", "bob"], O: "x" };
  assert.equal(toUser(subject)?.name, "bob");
});

Deno.test("toVerb() returns create for paths that run something, whatever the method", () => {
  for (const path of ["/exec/a/b/c", "/attach", "/portForward/a/b", "/run/a"]) {
    for (const method of ["GET", "POST", "HEAD"]) {
      assert.equal(toVerb(method, path), "create", path);
    }
  }
  assert.equal(toVerb("GET", "/execute"), "get");
  assert.equal(toVerb("GET", "/runningpods"), "get");
});

Deno.test("toBearerToken() accepts the Bearer scheme only", () => {
  assert.equal(toBearerToken("Bearer abc.def"), "abc.def");
  assert.equal(toBearerToken("bearer  x"), "x");
  for (const header of [undefined, "", "Basic abc", "Bearer", "Bearer a b"]) {
    assert.equal(toBearerToken(header), undefined);
  }
});

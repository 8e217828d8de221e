// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  apiVersionOf,
  CERTIFICATE_SIGNING_REQUEST,
  describeCall,
  EDGE_DEVICE,
  fromKey,
  keyOf,
  LEASE,
  NODE,
  pathOf,
  POD,
  toQuery,
} from "../../../lib/operator/kube/kinds.ts";

Deno.test("pathOf() returns paths of resources, objects and subresources", () => {
  const name = "n";
  const namespace = "ns";
  assert.equal(pathOf(POD, {}), "/api/v1/pods");
  assert.equal(pathOf(POD, { namespace }), "/api/v1/namespaces/ns/pods");
  assert.equal(
    pathOf(POD, { namespace, name, subresource: "status" }),
    "/api/v1/namespaces/ns/pods/n/status",
  );
  assert.equal(pathOf(NODE, { namespace, name }), "/api/v1/nodes/n");
  assert.equal(
    pathOf(LEASE, { namespace, name: "a/b" }),
    "/apis/coordination.k8s.io/v1/namespaces/ns/leases/a%2Fb",
  );
  assert.equal(
    pathOf(EDGE_DEVICE, { namespace }),
    "/apis/aranya.arhat.dev/v1alpha1/namespaces/ns/edgedevices",
  );
});

Deno.test("toQuery() leaves out keys when their value is undefined", () => {
  assert.equal(toQuery({}), "");
  assert.equal(toQuery({ a: undefined, b: "x y", c: "&" }), "?b=x+y&c=%26");
});

Deno.test("describeCall() names verb, resource and object", () => {
  const ref = { namespace: "ns", name: "n" };
  assert.equal(describeCall("get", { type: POD, ref }), 'get pods "ns/n"');
  assert.equal(
    describeCall("patch", { type: POD, ref, subresource: "status" }),
    'patch pods/status "ns/n"',
  );
  assert.equal(
    describeCall("list", { type: POD, ref: { namespace: "ns" } }),
    'list pods in namespace "ns"',
  );
  assert.equal(
    describeCall("list", { type: POD, ref: {} }),
    "list pods in all namespaces",
  );
  assert.equal(
    describeCall("watch", { type: CERTIFICATE_SIGNING_REQUEST, ref: {} }),
    "watch certificatesigningrequests.certificates.k8s.io",
  );
});

Deno.test("fromKey() splits what keyOf() returns", () => {
  assert.equal(keyOf({ metadata: { namespace: "a", name: "b" } }), "a/b");
  assert.equal(keyOf({ metadata: { name: "b" } }), "b");
  assert.deepEqual(fromKey("a/b"), { namespace: "a", name: "b" });
  assert.deepEqual(fromKey("b"), { name: "b" });
});

Deno.test("apiVersionOf() returns group and version, or the version of the core group", () => {
  assert.equal(apiVersionOf(POD), "v1");
  assert.equal(apiVersionOf(LEASE), "coordination.k8s.io/v1");
});

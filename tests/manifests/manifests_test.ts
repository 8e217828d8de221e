// SPDX-License-Identifier: Apache-2.0
/** manifests/ on a real API server: that it accepts them, and which rights they grant. */
import assert from "node:assert/strict";
import {
  asAranyaError,
  defined,
  SILENT_LOGGER,
} from "../../lib/shared/base/mod.ts";
import {
  createKubeClient,
  EDGE_DEVICE,
  type EdgeDevice,
  NODE,
  SUBJECT_ACCESS_REVIEW,
} from "../../lib/operator/kube/mod.ts";
import { createSigningRequest } from "../../lib/operator/pki/mod.ts";
import type { RunResult } from "../../dev/base/run.ts";
import { until } from "../../dev/base/wait.ts";
import type { KubeObject } from "../../dev/world/kubectl.ts";
import { join, ROOT } from "../../dev/base/paths.ts";
import type { Apiserver } from "../../dev/world/apiserver.ts";
import { startCluster } from "../../dev/world/cluster.ts";
import { edgeDevice } from "../../dev/world/mod.ts";
import {
  ENDPOINTS,
  NO_ENDPOINTS,
} from "../shared/base/_support/endpoint_texts.ts";

const OPERATOR = "system:serviceaccount:aranya:aranya";
/** As every ServiceAccount has them. */
const GROUPS = [
  "system:serviceaccounts",
  "system:serviceaccounts:aranya",
  "system:authenticated",
];

let apiserver: Apiserver;

Deno.test.beforeAll(async () => {
  apiserver = await startCluster();
  await apiserver.kubectl.run([
    ...["apply", "--server-side", "--validate=strict"],
    ...["-k", join(ROOT, "manifests")],
  ]);
});

Deno.test.afterAll(async () => {
  await apiserver[Symbol.asyncDispose]();
});

Deno.test("kubectl apply -k manifests/ creates what the operator needs, and changes nothing the second time", async () => {
  const { kubectl } = apiserver;
  const found = await kubectl.run([
    ...["get", "deployment/aranya", "service/aranya-operator"],
    ...["serviceaccount/aranya", "poddisruptionbudget/aranya"],
    ...["--namespace=aranya", "--output=name"],
  ]);
  assert.deepEqual(found.trim().split("\n"), [
    "deployment.apps/aranya",
    "service/aranya-operator",
    "serviceaccount/aranya",
    "poddisruptionbudget.policy/aranya",
  ]);
  const diff = await kubectl.tryRun([
    ...["diff", "--server-side", "-k", join(ROOT, "manifests")],
  ]);
  assert.equal(diff.code, 0, diff.stdout);
});

for (
  const file of ["edgedevice.yaml", "edgedevice-full.yaml", "workload.yaml"]
) {
  Deno.test(`the API server accepts samples/${file}, without unknown fields`, async () => {
    await apiserver.kubectl.run([
      ...["apply", "--dry-run=server", "--validate=strict"],
      ...["-f", join(ROOT, "manifests/samples", file)],
    ]);
  });
}

Deno.test("the patches keep DaemonSets off devices", async () => {
  const { kubectl } = apiserver;
  const labels = { app: "cni" };
  await kubectl.apply({
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "cni", namespace: "kube-system" },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "main", image: "i" }] },
      },
    },
  });
  for (const file of ["not-on-devices.yaml", "flannel.yaml"]) {
    const patched = JSON.parse(
      await kubectl.run([
        ...["patch", "daemonset", "cni", "--namespace=kube-system"],
        ...["--dry-run=server", "--output=json"],
        ...["--patch-file", join(ROOT, "manifests/patches", file)],
      ]),
    );
    const { nodeSelectorTerms } = patched.spec.template.spec.affinity
      .nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    assert.deepEqual(nodeSelectorTerms[0].matchExpressions.at(-1), {
      key: "arhat.dev/role",
      operator: "NotIn",
      values: ["EdgeDevice"],
    });
  }
});

/** Applies an EdgeDevice without storing it; returns why it is refused, or "" when it isn't. */
async function refusalOf(spec: Record<string, unknown>): Promise<string> {
  const { code, stderr } = await apiserver.kubectl.tryRun(
    ["apply", "--dry-run=server", "-f", "-"],
    { stdin: JSON.stringify(edgeDevice("edge-1", spec)) },
  );
  return code === 0 ? "" : stderr;
}

for (
  const { key, isAllowed } of [
    { key: "example.org/rack", isAllowed: true },
    { key: "rack", isAllowed: true },
    { key: "topology.kubernetes.io/zone", isAllowed: true },
    { key: "topology.kubernetes.io/region", isAllowed: true },
    { key: "node.kubernetes.io/instance-type", isAllowed: true },
    { key: "kubelet.kubernetes.io/x", isAllowed: true },
    { key: "node-restriction.kubernetes.io/team", isAllowed: false },
    { key: "node-role.kubernetes.io/control-plane", isAllowed: false },
    { key: "node-role.kubernetes.io/edge-device", isAllowed: false },
    { key: "kubernetes.io/role", isAllowed: false },
    { key: "k8s.io/x", isAllowed: false },
    { key: "storage.k8s.io/x", isAllowed: false },
    { key: "topology.kubernetes.io/x", isAllowed: false },
    { key: "arhat.dev/role", isAllowed: false },
    { key: "kubernetes.io/hostname", isAllowed: false },
  ]
) {
  const verb = isAllowed ? "may" : "must not";
  Deno.test(`an EdgeDevice ${verb} set the label ${key} of its Node`, async () => {
    const refusal = await refusalOf({ node: { labels: { [key]: "x" } } });
    if (isAllowed) assert.equal(refusal, "");
    else {assert.match(
        refusal,
        /is invalid:[^]*spec\.node\.labels: .*(operator|kubelet)/,
      );}
  });
}

for (
  const { key, isAllowed } of [
    { key: "example.org/metered", isAllowed: true },
    { key: "node.kubernetes.io/unreachable", isAllowed: false },
    { key: "node.cloudprovider.kubernetes.io/uninitialized", isAllowed: false },
    { key: "arhat.dev/namespace", isAllowed: false },
  ]
) {
  const verb = isAllowed ? "may" : "must not";
  Deno.test(`an EdgeDevice ${verb} set the taint ${key}`, async () => {
    const taints = [{ key, effect: "NoSchedule" }];
    const refusal = await refusalOf({ node: { taints } });
    if (isAllowed) assert.equal(refusal, "");
    else assert.match(refusal, /is invalid: spec\.node\.taints\[0\]\.key: /);
  });
}

for (
  const { duration, isAllowed } of [
    { duration: "1s", isAllowed: true },
    { duration: "1h", isAllowed: true },
    { duration: "999ms", isAllowed: false },
    { duration: "597h", isAllowed: false },
  ]
) {
  const verb = isAllowed ? "may" : "must not";
  Deno.test(`an EdgeDevice ${verb} set ${duration} as unarySessionTimeout`, async () => {
    const timers = { unarySessionTimeout: duration };
    const refusal = await refusalOf({ connectivity: { timers } });
    if (isAllowed) assert.equal(refusal, "");
    else assert.match(refusal, /unarySessionTimeout: .*between 1s and 1h/);
  });
}

Deno.test("an EdgeDevice must not set an annotation that no Node can have", async () => {
  assert.equal(
    await refusalOf({ node: { annotations: { "example.org/rack": "a b" } } }),
    "",
  );
  assert.match(
    await refusalOf({ node: { annotations: { "a/b/c": "x" } } }),
    /spec\.node\.annotations: .*valid annotation keys/,
  );
});

Deno.test("an EdgeDevice may have the endpoints that an agent can read, and no others", async () => {
  await using client = await createKubeClient({
    kubeconfigFile: apiserver.kubeconfig,
    log: SILENT_LOGGER,
  });
  /** Returns why the API server refuses the endpoint, or "" when it doesn't. */
  const refusalOf = async (endpoint: string): Promise<string> => {
    const metadata = { namespace: "aranya", name: "endpoint" };
    const edge: EdgeDevice = {
      metadata,
      spec: { connectivity: { method: "grpc", grpcConfig: { endpoint } } },
    };
    try {
      await client.create(EDGE_DEVICE, edge);
    } catch (error) {
      return asAranyaError(error, "Cannot create").message;
    }
    await client.delete(EDGE_DEVICE, metadata);
    return "";
  };
  const accepted: string[] = [];
  for (const endpoint of [...ENDPOINTS, ...NO_ENDPOINTS]) {
    const refusal = await refusalOf(endpoint);
    if (refusal === "") accepted.push(endpoint);
    else assert.match(refusal, /grpcConfig\.endpoint: /, endpoint);
  }
  assert.deepEqual(accepted, ENDPOINTS);
});

/** A right, as "verb resource[.group][/subresource] [namespace[/name]]". */
type Right = string;

/** What the operator does, and nothing else of these resources. */
const GRANTED: readonly Right[] = [
  "delete nodes",
  "patch nodes/status",
  "watch pods other",
  "create certificatesigningrequests.certificates.k8s.io",
  "update certificatesigningrequests.certificates.k8s.io/approval",
  "create tokenreviews.authentication.k8s.io",
  "create subjectaccessreviews.authorization.k8s.io",
  "list secrets aranya",
  "create serviceaccounts/token aranya",
  "patch edgedevices.aranya.arhat.dev aranya",
  "patch edgedevices.aranya.arhat.dev/status aranya",
  "update leases.coordination.k8s.io aranya",
  "patch leases.coordination.k8s.io kube-node-lease",
  "delete leases.coordination.k8s.io kube-node-lease",
];

const REFUSED: readonly Right[] = [
  "create pods other",
  "delete pods other",
  "get secrets other",
  "get secrets kube-system",
  "list serviceaccounts aranya",
  "get serviceaccounts aranya",
  "create clusterroles.rbac.authorization.k8s.io",
  "patch certificatesigningrequests.certificates.k8s.io/approval",
  "update certificatesigningrequests.certificates.k8s.io/status",
  "update leases.coordination.k8s.io kube-node-lease",
  "update edgedevices.aranya.arhat.dev/finalizers aranya",
  "delete edgedevices.aranya.arhat.dev aranya",
  "create edgedevices.aranya.arhat.dev aranya",
  "proxy nodes",
  "get nodes/proxy",
];

async function review(right: Right): Promise<boolean> {
  await using client = await createKubeClient({
    kubeconfigFile: apiserver.kubeconfig,
    log: SILENT_LOGGER,
  });
  const [verb = "", what = "", namespace = ""] = right.split(" ");
  const [qualified = "", subresource = ""] = what.split("/");
  const [resource = "", ...group] = qualified.split(".");
  const { status } = await client.create(SUBJECT_ACCESS_REVIEW, {
    metadata: { name: "" },
    spec: {
      user: OPERATOR,
      groups: GROUPS,
      resourceAttributes: {
        verb,
        resource,
        subresource,
        group: group.join("."),
        namespace,
      },
    },
  });
  return status?.allowed ?? false;
}

Deno.test("the operator has the rights that it uses", async () => {
  const allowed = await Promise.all(GRANTED.map(review));
  assert.deepEqual(GRANTED.filter((_, index) => !allowed[index]), []);
});

Deno.test("the operator has no rights that it does not use", async () => {
  const allowed = await Promise.all(REFUSED.map(review));
  assert.deepEqual(REFUSED.filter((_, index) => allowed[index]), []);
});

Deno.test("nothing that the operator needs can be deleted while there is an EdgeDevice", async () => {
  const { kubectl } = apiserver;
  const deletions = [
    ["namespace", "aranya"],
    ["crd", "edgedevices.aranya.arhat.dev"],
    ["serviceaccount", "aranya", "--namespace=aranya"],
    ["deployment", "aranya", "--namespace=aranya"],
    ["clusterrolebinding", "aranya-operator"],
    ["clusterrole", "aranya-operator"],
    ["rolebinding", "aranya-operator", "--namespace=aranya"],
    ["rolebinding", "aranya-heartbeats", "--namespace=kube-node-lease"],
    ["rolebinding", "aranya-client-ca", "--namespace=kube-system"],
    ["role", "aranya-api-service", "--namespace=default"],
  ];
  const tryDelete = (args: string[]) =>
    kubectl.tryRun(["delete", "--dry-run=server", ...args]);
  await kubectl.apply(edgeDevice("guarded"));
  // A policy applies some time after it was created.
  await until(
    async () => (await tryDelete(["namespace", "aranya"])).code !== 0,
    "a policy that applies",
  );
  for (const args of deletions) {
    const { stderr } = await tryDelete(args);
    assert.match(
      stderr,
      /EdgeDevice guarded of namespace aranya exists, delete all EdgeDevices first/,
      args.join(" "),
    );
  }
  await kubectl.run(["create", "namespace", "other"]);
  assert.equal((await tryDelete(["namespace", "other"])).code, 0);
  await kubectl.run(["delete", "edgedevice", "guarded", "--namespace=aranya"]);
  await until(
    async () => (await tryDelete(["namespace", "aranya"])).code === 0,
    "a namespace that may be deleted",
  );
  for (const args of deletions) assert.equal((await tryDelete(args)).code, 0);
});

/** Runs kubectl as the operator. */
function asOperator(
  args: string[],
  options: { stdin?: string } = {},
): Promise<RunResult> {
  const user = [
    `--as=${OPERATOR}`,
    ...GROUPS.map((group) => `--as-group=${group}`),
  ];
  return apiserver.kubectl.tryRun([...user, ...args], options);
}

async function applyOptional(name: string): Promise<void> {
  await apiserver.kubectl.run([
    ...["apply", "--server-side", "--validate=strict"],
    ...["-k", join(ROOT, "manifests/optional", name)],
  ]);
}

Deno.test("optional/admission-policy refuses what the operator does to Nodes of others", async () => {
  await applyOptional("admission-policy");
  await using operator = await createKubeClient({
    kubeconfigFile: await apiserver.makeUser({
      name: "operator",
      user: OPERATOR,
      groups: GROUPS,
    }),
    log: SILENT_LOGGER,
  });
  const create = (name: string, providerID?: string) =>
    operator.create(NODE, {
      metadata: { name },
      spec: defined({ providerID }),
    });
  // A policy applies some time after it was created.
  await until(
    () => create(`probe-${crypto.randomUUID()}`).then(() => false, () => true),
    "a policy that applies",
  );
  await create("own", "aranya://aranya/own");
  await apiserver.kubectl.apply({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "worker" },
  });
  const actionsOn = (name: string) => [
    () =>
      operator.patch(NODE, { name }, {
        body: { metadata: { labels: { team: "edge" } } },
      }),
    () =>
      operator.patch(NODE, { name }, {
        body: { status: { capacity: { cpu: "4" } } },
        subresource: "status",
      }),
    () => operator.delete(NODE, { name }),
  ];
  const refusal = {
    code: "forbidden",
    message: /'aranya-nodes'.*providerID starts with aranya:/,
  };
  for (const action of actionsOn("worker")) {
    await assert.rejects(action(), refusal);
  }
  await assert.rejects(create("theirs", "aranya://other/theirs"), refusal);
  for (const action of actionsOn("own")) await action();
  assert.ok(await operator.find(NODE, { name: "worker" }));
  assert.equal(await operator.find(NODE, { name: "own" }), undefined);
});

Deno.test("optional/admission-policy lets the operator approve its own signing requests only", async () => {
  await applyOptional("admission-policy");
  const request = async (name: string) => ({
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { name },
    spec: {
      request: btoa(
        (await createSigningRequest({
          subject: {
            commonName: "system:node:edge-1",
            organizations: ["system:nodes"],
          },
          ips: [],
          dnsNames: ["edge-1"],
        })).csr,
      ),
      signerName: "kubernetes.io/kubelet-serving",
      usages: ["digital signature", "server auth"],
    },
  });
  await apiserver.kubectl.apply(await request("theirs") as KubeObject);
  const made = await asOperator(["create", "-f", "-"], {
    stdin: JSON.stringify(await request("own")),
  });
  assert.equal(made.code, 0, made.stderr);
  await until(async () => {
    const { stderr } = await asOperator(["certificate", "approve", "theirs"]);
    return /aranya-signing-requests/.test(stderr);
  }, "a refusal");
  const own = await asOperator(["certificate", "approve", "own"]);
  assert.equal(own.code, 0, own.stderr);
  assert.equal((await asOperator(["delete", "csr", "own"])).code, 0);
  const foreign = await asOperator(["delete", "csr", "theirs"]);
  assert.match(foreign.stderr, /aranya-signing-requests/);
});

Deno.test("optional/flow-control gives heartbeats the priority of kubelets", async () => {
  await applyOptional("flow-control");
  const nameOf = new Map<string, string>();
  for (const name of ["leader-election", "heartbeats", "operator"]) {
    const schema = await apiserver.kubectl.find<KubeObject>([
      "flowschema",
      `aranya-${name}`,
    ]);
    nameOf.set(String(schema?.metadata.uid), name);
  }
  const schemaOf = async (...args: string[]) => {
    const { stderr } = await asOperator(["get", "--v=8", ...args]);
    const [, uid = ""] =
      stderr.match(/X-Kubernetes-Pf-Flowschema-Uid: ([-0-9a-f]+)/i) ?? [];
    return nameOf.get(uid);
  };
  await until(
    async () => await schemaOf("nodes") === "heartbeats",
    "a schema that applies",
  );
  assert.equal(
    await schemaOf("leases", "--namespace=kube-node-lease"),
    "heartbeats",
  );
  assert.equal(
    await schemaOf("lease/aranya-operator", "--namespace=aranya"),
    "leader-election",
  );
  assert.equal(await schemaOf("secrets", "--namespace=aranya"), "operator");
});

Deno.test("optional/priority-quota is a quota for the priority classes of virtual pods", async () => {
  await applyOptional("priority-quota");
  const quota = await apiserver.kubectl.find<KubeObject>([
    "--namespace=aranya",
    "resourcequota",
    "aranya-critical-pods",
  ]);
  assert.deepEqual((quota?.spec as { hard: unknown }).hard, { pods: "1G" });
});

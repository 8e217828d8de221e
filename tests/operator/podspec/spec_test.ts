// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  toGraceSeconds,
  toPodSpec,
} from "../../../lib/operator/podspec/spec.ts";
import { listTokenFiles, RestartPolicy } from "../../../lib/shared/wire/mod.ts";
import { lookups, pod, toPodToken } from "./_support/fixtures.ts";

const DNS = {
  servers: ["10.0.0.53"],
  searches: ["site"],
  options: ["ndots:2"],
};

Deno.test("toPodSpec() returns the same hash for the same inputs and another for other content", () => {
  const from = pod({ volumes: [{ name: "v", configMap: { name: "cm" } }] });
  const hash = (text: string) =>
    toPodSpec(from, lookups({ configMaps: { cm: { data: { a: text } } } }))
      .spec.specHash;
  assert.match(hash("1"), /^[0-9a-f]{64}$/);
  assert.equal(hash("1"), hash("1"));
  assert.notEqual(hash("1"), hash("2"));
});

Deno.test("toPodSpec() returns the same hash with another token, but not for another audience", () => {
  const make = (token: string, audience = "") =>
    toPodSpec(
      pod({
        volumes: [{
          name: "v",
          projected: {
            sources: [{ serviceAccountToken: { path: "token", audience } }],
          },
        }],
      }),
      lookups({ token }),
    );
  const first = make("t1");
  const second = make("t2");
  assert.equal(first.spec.specHash, second.spec.specHash);
  assert.notEqual(make("t1", "vault").spec.specHash, first.spec.specHash);
  const [file] = listTokenFiles(second.spec);
  assert.equal(file?.sha256, toPodToken("t2").sha256);
  assert.equal(file?.sizeBytes, 2n);
  assert.equal(file?.token?.expiresUnixMs, 3_600_000n);
  assert.equal(file?.token?.renewUnixMs, 2_880_000n);
  assert.equal(second.blobs.get(file?.sha256 ?? "")?.text, "t2");
});

Deno.test("toPodSpec() returns references, contents and warnings", () => {
  const { refs, blobs, warnings } = toPodSpec(
    pod({
      volumes: [{ name: "v", configMap: { name: "cm" } }],
      imagePullSecrets: [{ name: "pull" }],
    }),
    lookups({ configMaps: { cm: { data: { a: "x" } } } }),
  );
  assert.deepEqual([...refs].sort(), [
    "ConfigMap/ns/cm",
    "Secret/ns/pull",
    "Services/default/",
  ]);
  assert.equal(blobs.size, 1);
  assert.equal(warnings[0]?.reason, "FailedToRetrieveImagePullSecret");
});

Deno.test("toPodSpec() translates settings of the whole pod", () => {
  const { spec } = toPodSpec(
    pod({
      restartPolicy: "OnFailure",
      terminationGracePeriodSeconds: 5,
      hostNetwork: true,
      hostPID: true,
      activeDeadlineSeconds: 60,
      priority: 1000,
      hostAliases: [{ ip: "192.0.2.1", hostnames: ["a", "b"] }],
      securityContext: {
        fsGroup: 9,
        supplementalGroups: [1, 2],
        sysctls: [{ name: "net.core.somaxconn", value: "1" }],
      },
    }),
    lookups(),
  );
  assert.equal(spec.restartPolicy, RestartPolicy.ON_FAILURE);
  assert.equal(spec.terminationGraceSeconds, 5n);
  assert.equal(spec.hostNetwork && spec.hostPid, true);
  assert.equal(spec.hostname, "");
  assert.equal(spec.activeDeadlineSeconds, 60n);
  assert.equal(spec.priority, 1000);
  assert.equal(spec.toleratesMemoryPressure, false);
  assert.deepEqual(spec.hostAliases[0]?.names, ["a", "b"]);
  assert.equal(spec.security?.fsGroup, 9n);
  assert.deepEqual(spec.security?.supplementalGroups, [1n, 2n]);
  assert.equal(spec.sysctls[0]?.name, "net.core.somaxconn");
});

const MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure";
for (
  const [toleration, expected] of [
    [{ key: MEMORY_PRESSURE, operator: "Exists", effect: "NoSchedule" }, true],
    [{ key: MEMORY_PRESSURE }, true],
    [{ operator: "Exists" }, true],
    [{ key: MEMORY_PRESSURE, value: "x" }, false],
    [{ key: MEMORY_PRESSURE, operator: "Exists", effect: "NoExecute" }, false],
    [{ key: "node.kubernetes.io/disk-pressure", operator: "Exists" }, false],
  ] as const
) {
  Deno.test(
    `toPodSpec() finds ${
      expected ? "the" : "no"
    } toleration of memory pressure in ${JSON.stringify(toleration)}`,
    () => {
      const { spec } = toPodSpec(pod({ tolerations: [toleration] }), lookups());
      assert.equal(spec.toleratesMemoryPressure, expected);
    },
  );
}

Deno.test("toPodSpec() takes the host name from the pod, cut to 63 characters", () => {
  const name = (metadata: { name: string }, hostname = "") =>
    toPodSpec(pod(hostname ? { hostname } : {}, metadata), lookups())
      .spec.hostname;
  assert.equal(name({ name: "web" }), "web");
  assert.equal(name({ name: "web" }, "other"), "other");
  assert.equal(name({ name: "a".repeat(62) + "-b" }), "a".repeat(62));
});

Deno.test("toPodSpec() leaves name servers to the device unless the pod sets some", () => {
  const dns = (spec: Parameters<typeof pod>[0], base = DNS) => {
    const made = toPodSpec(pod(spec), lookups({ dns: base })).spec.dns;
    return made && [made.servers, made.searches, made.options];
  };
  assert.equal(dns({ dnsPolicy: "ClusterFirst" }), undefined);
  const dnsConfig = {
    nameservers: ["192.0.2.53"],
    searches: ["site", "more"],
    options: [{ name: "ndots", value: "5" }, { name: "rotate" }],
  };
  assert.deepEqual(dns({ dnsPolicy: "None", dnsConfig }), [
    ["192.0.2.53"],
    ["site", "more"],
    ["ndots:5", "rotate"],
  ]);
  assert.deepEqual(dns({ dnsPolicy: "ClusterFirst", dnsConfig }), [
    ["10.0.0.53", "192.0.2.53"],
    ["site", "more"],
    ["ndots:5", "rotate"],
  ]);
});

Deno.test("toGraceSeconds() is 30 by default", () => {
  assert.equal(toGraceSeconds(pod()), 30);
  assert.equal(toGraceSeconds(pod({ terminationGracePeriodSeconds: 0 })), 0);
});

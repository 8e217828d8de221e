// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Service } from "../../../lib/operator/kube/mod.ts";
import { Findings } from "../../../lib/operator/podspec/lookups.ts";
import { toServiceEnv } from "../../../lib/operator/podspec/service_env.ts";
import { lookups, pod } from "./_support/fixtures.ts";

const SERVICES: Service[] = [
  {
    metadata: { namespace: "default", name: "kubernetes" },
    spec: { clusterIP: "10.96.0.1", ports: [{ name: "https", port: 443 }] },
  },
  {
    metadata: { namespace: "ns", name: "my-db" },
    spec: {
      clusterIP: "10.96.0.9",
      ports: [{ port: 5432 }, { name: "adm-in", port: 53, protocol: "UDP" }],
    },
  },
  {
    metadata: { namespace: "ns", name: "headless" },
    spec: { clusterIP: "None", ports: [{ port: 1 }] },
  },
];

function lines(enableServiceLinks: boolean): string[] {
  const findings = new Findings();
  return toServiceEnv({
    pod: pod({ enableServiceLinks }),
    lookups: lookups({ services: SERVICES }),
    findings,
  }).map(({ name, value }) => `${name}=${value}`);
}

const API_SERVER = [
  "KUBERNETES_SERVICE_HOST=10.96.0.1",
  "KUBERNETES_SERVICE_PORT=443",
  "KUBERNETES_SERVICE_PORT_HTTPS=443",
  "KUBERNETES_PORT=tcp://10.96.0.1:443",
  "KUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443",
  "KUBERNETES_PORT_443_TCP_PROTO=tcp",
  "KUBERNETES_PORT_443_TCP_PORT=443",
  "KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1",
];

Deno.test("toServiceEnv() returns the API server's Service only without service links", () => {
  const off = false;
  assert.deepEqual(lines(off), API_SERVER);
});

Deno.test("toServiceEnv() returns every Service with an address with service links", () => {
  const on = true;
  assert.deepEqual(lines(on), [
    ...API_SERVER,
    "MY_DB_SERVICE_HOST=10.96.0.9",
    "MY_DB_SERVICE_PORT=5432",
    "MY_DB_SERVICE_PORT_ADM_IN=53",
    "MY_DB_PORT=tcp://10.96.0.9:5432",
    "MY_DB_PORT_5432_TCP=tcp://10.96.0.9:5432",
    "MY_DB_PORT_5432_TCP_PROTO=tcp",
    "MY_DB_PORT_5432_TCP_PORT=5432",
    "MY_DB_PORT_5432_TCP_ADDR=10.96.0.9",
    "MY_DB_PORT_53_UDP=udp://10.96.0.9:53",
    "MY_DB_PORT_53_UDP_PROTO=udp",
    "MY_DB_PORT_53_UDP_PORT=53",
    "MY_DB_PORT_53_UDP_ADDR=10.96.0.9",
  ]);
});

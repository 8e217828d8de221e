// SPDX-License-Identifier: Apache-2.0
/** Variables that tell a container where the services of its namespace are, in the form that Docker links once had. */
import type { Pod, Service } from "../kube/mod.ts";
import {
  create,
  type EnvEntry,
  EnvEntrySchema,
} from "../../shared/wire/mod.ts";
import { type Findings, type PodLookups, refKey } from "./lookups.ts";

/** Variables of the API server's service, and with service links of all others in the pod's namespace. */
export function serviceEnv(
  { pod, lookups, findings }: {
    pod: Pod;
    lookups: PodLookups;
    findings: Findings;
  },
): EnvEntry[] {
  const { namespace = "" } = pod.metadata;
  const services = new Map<string, Service>();
  findings.refs.add(refKey("Services", { namespace: "default" }));
  for (const service of lookups.services("default")) {
    if (service.metadata.name === "kubernetes") {
      services.set("kubernetes", service);
    }
  }
  if (pod.spec.enableServiceLinks ?? true) {
    findings.refs.add(refKey("Services", { namespace }));
    for (const service of lookups.services(namespace)) {
      services.set(service.metadata.name, service);
    }
  }
  return [...services.values()]
    .sort((a, b) => a.metadata.name < b.metadata.name ? -1 : 1)
    .flatMap(variablesOf);
}

function variablesOf(service: Service): EnvEntry[] {
  const host = service.spec?.clusterIP;
  const ports = service.spec?.ports ?? [];
  const first = ports[0];
  if (!host || host === "None" || !first) return [];
  const prefix = toEnvName(service.metadata.name);
  const variables: [string, string | number][] = [
    [`${prefix}_SERVICE_HOST`, host],
    [`${prefix}_SERVICE_PORT`, first.port],
  ];
  for (const { name, port } of ports) {
    if (name) {
      variables.push([`${prefix}_SERVICE_PORT_${toEnvName(name)}`, port]);
    }
  }
  const at = (protocol: string, port: number) =>
    `${protocol}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  ports.forEach(({ port, protocol = "TCP" }, index) => {
    const lower = protocol.toLowerCase();
    if (index === 0) variables.push([`${prefix}_PORT`, at(lower, port)]);
    const name = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    variables.push(
      [name, at(lower, port)],
      [`${name}_PROTO`, lower],
      [`${name}_PORT`, port],
      [`${name}_ADDR`, host],
    );
  });
  return variables.map(([name, value]) =>
    create(EnvEntrySchema, { name, value: String(value), literal: true })
  );
}

function toEnvName(text: string): string {
  return text.toUpperCase().replaceAll("-", "_");
}

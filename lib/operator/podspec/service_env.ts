// SPDX-License-Identifier: Apache-2.0
/**
 * Environment variables that name the Services of a pod's namespace, in the format of Docker links.
 */
import { formatEndpoint } from "../../shared/base/mod.ts";
import type { Service } from "../kube/mod.ts";
import {
  create,
  type EnvEntry,
  EnvEntrySchema,
} from "../../shared/wire/mod.ts";
import { refKey, type TranslationContext } from "./lookups.ts";

/**
 * Returns the variables of the API server's Service and, unless `enableServiceLinks` is false, of
 * all Services in the pod's namespace; sorted by Service name. Follows `envvars.FromServices` of
 * the kubelet.
 */
export function toServiceEnv(
  { pod, lookups, findings }: TranslationContext,
): EnvEntry[] {
  const { namespace = "" } = pod.metadata;
  const services = new Map<string, Service>();
  findings.refs.add(refKey("Services", { namespace: "default" }));
  for (const service of lookups.listServices("default")) {
    if (service.metadata.name === "kubernetes") {
      services.set("kubernetes", service);
    }
  }
  if (pod.spec.enableServiceLinks ?? true) {
    findings.refs.add(refKey("Services", { namespace }));
    // A Service named "kubernetes" of the pod's own namespace wins.
    for (const service of lookups.listServices(namespace)) {
      services.set(service.metadata.name, service);
    }
  }
  return [...services.values()]
    .sort((a, b) => a.metadata.name < b.metadata.name ? -1 : 1)
    .flatMap(toVariables);
}

/** Returns the variables of one Service; none when it has no cluster IP or no port. */
function toVariables(service: Service): EnvEntry[] {
  const host = service.spec?.clusterIP;
  const ports = service.spec?.ports ?? [];
  const first = ports[0];
  if (!host || host === "None" || !first) return [];
  const prefix = toEnvName(service.metadata.name);
  const variables: { name: string; value: string | number }[] = [
    { name: `${prefix}_SERVICE_HOST`, value: host },
    { name: `${prefix}_SERVICE_PORT`, value: first.port },
  ];
  for (const { name, port } of ports) {
    if (!name) continue;
    const suffix = toEnvName(name);
    variables.push({ name: `${prefix}_SERVICE_PORT_${suffix}`, value: port });
  }
  for (const [index, { port, protocol = "TCP" }] of ports.entries()) {
    const scheme = protocol.toLowerCase();
    const url = `${scheme}://${formatEndpoint({ host, port })}`;
    if (index === 0) variables.push({ name: `${prefix}_PORT`, value: url });
    const name = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    variables.push(
      { name, value: url },
      { name: `${name}_PROTO`, value: scheme },
      { name: `${name}_PORT`, value: port },
      { name: `${name}_ADDR`, value: host },
    );
  }
  return variables.map(({ name, value }) =>
    create(EnvEntrySchema, { name, value: String(value), literal: true })
  );
}

function toEnvName(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}

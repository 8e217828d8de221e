// SPDX-License-Identifier: Apache-2.0
/** The operator's flags. */
import type { PortRange } from "./fleet/mod.ts";
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { AranyaError } from "../shared/base/mod.ts";

/** What the operator was asked to do. */
export interface OperatorOptions {
  /** Absent: the account of the pod that we run in. */
  kubeconfigFile: string | undefined;
  /** Absent: the account's or the context's. */
  namespace: string | undefined;
  /** Empty: to be found out. */
  hostAddresses: string[];
  /** Whose pods are run beside the operator's own namespace; "*": all. */
  tenantNamespaces: string[] | "*";
  /** 0: any free one. */
  grpcPort: number;
  kubeletPorts: PortRange;
  /** 0: any free one. */
  httpPort: number;
  debug: boolean;
}

/** Variables of the environment that the operator knows. */
export interface OperatorEnv {
  KUBECONFIG?: string | undefined;
  POD_NAMESPACE?: string | undefined;
}

/** Shown by --help. */
export const OPERATOR_USAGE = `Usage: main.ts --mode operator [flags]
  --kubeconfig FILE               default: KUBECONFIG, then the account of the pod
  --namespace NS                  of the EdgeDevices; default: POD_NAMESPACE, then the account's
  --host-address IP               of this host, as the API server reaches it; may be given again; default: found out
  --tenant-namespaces NS,...|*    whose pods are run too
  --grpc-port PORT                for devices, default 9443; 0: any free port
  --kubelet-ports FIRST-LAST      one for each device, default 20000-29999; 0: any free ports
  --http-port PORT                for /healthz, /readyz, /metrics, default 8080; 0: any free port
  --debug                         log more
`;

/**
 * Reads flags and environment.
 * @throws {AranyaError} code "invalid" with one sentence on what is wrong
 */
export function parseOperatorOptions(
  args: string[],
  env: OperatorEnv,
): OperatorOptions {
  const values = parseFlags(args);
  const hostAddresses = (values["host-address"] ?? []).flatMap((text) =>
    text.split(",").map((part) => part.trim()).filter((part) => part !== "")
  );
  for (const address of hostAddresses) {
    if (isIP(address) === 0) {
      throw wrong("host-address", address, "an IP address");
    }
  }
  const tenants = values["tenant-namespaces"]?.trim();
  return {
    kubeconfigFile: values.kubeconfig ?? (env.KUBECONFIG || undefined),
    namespace: values.namespace ?? (env.POD_NAMESPACE || undefined),
    hostAddresses,
    tenantNamespaces: tenants === "*" ? "*" : toNamespaces(tenants ?? ""),
    grpcPort: toPort("grpc-port", values["grpc-port"] ?? "9443"),
    kubeletPorts: toRange(values["kubelet-ports"] ?? "20000-29999"),
    httpPort: toPort("http-port", values["http-port"] ?? "8080"),
    debug: values.debug ?? false,
  };
}

function parseFlags(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        mode: { type: "string" },
        kubeconfig: { type: "string" },
        namespace: { type: "string" },
        "host-address": { type: "string", multiple: true },
        "tenant-namespaces": { type: "string" },
        "grpc-port": { type: "string" },
        "kubelet-ports": { type: "string" },
        "http-port": { type: "string" },
        debug: { type: "boolean" },
      },
      allowPositionals: false,
    }).values;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new AranyaError(
      "invalid",
      `Cannot read flags: ${text.split(/[.\n]/)[0]}`,
      { cause: error },
    );
  }
}

function toPort(flag: string, text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw wrong(flag, text, "a port from 0 to 65535");
  }
  return port;
}

function toRange(text: string): PortRange {
  if (text === "0") return { first: 0, last: 0 };
  const [, from, to] = text.match(/^(\d+)-(\d+)$/) ?? [];
  const first = Number(from);
  const last = Number(to);
  if (!(first >= 1 && first <= last && last <= 65_535)) {
    throw wrong("kubelet-ports", text, "a range such as 20000-29999, or 0");
  }
  return { first, last };
}

function toNamespaces(text: string): string[] {
  const names = text.split(",").map((part) => part.trim()).filter((part) =>
    part !== ""
  );
  for (const name of names) {
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
      throw wrong("tenant-namespaces", name, "names of namespaces, or *");
    }
  }
  return names;
}

function wrong(flag: string, value: string, expected: string): AranyaError {
  return new AranyaError(
    "invalid",
    `Cannot read flag --${flag}: it is "${value}", expected ${expected}`,
  );
}

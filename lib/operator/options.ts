// SPDX-License-Identifier: Apache-2.0
/** The operator's flags. */
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import {
  AranyaError,
  type LogLevel,
  parseLogLevel,
} from "../shared/base/mod.ts";
import type { PortRange } from "./fleet/mod.ts";

/** The operator's options, as flags and environment set them. */
export interface OperatorOptions {
  /** Empty: the ServiceAccount of the pod that the operator runs in. */
  kubeconfigFiles: string[];
  /** Namespace of the EdgeDevices; undefined: that of the ServiceAccount or kubeconfig context. */
  namespace: string | undefined;
  /** Addresses of this host, preferred first; empty: they are detected. */
  hostAddresses: string[];
  /** Namespaces whose pods are run beside the operator's own; "*" for all. */
  tenantNamespaces: string[] | "*";
  /** 0: any free port. */
  grpcPort: number;
  kubeletPorts: PortRange;
  /** 0: any free port. */
  httpPort: number;
  logLevel: LogLevel;
}

/** Environment variables that the operator reads. */
export interface OperatorEnv {
  /** Paths joined by ":". */
  KUBECONFIG?: string | undefined;
  POD_NAMESPACE?: string | undefined;
}

/** Text of --help. */
export const OPERATOR_USAGE = `Usage: main.ts --mode operator [flags]
  --kubeconfig FILE               default: the files of KUBECONFIG, then the ServiceAccount of the pod
  --namespace NS                  namespace of the EdgeDevices; default: POD_NAMESPACE, then the ServiceAccount's
  --host-address IP               address at which the API server reaches this host; may be repeated; default: detected
  --tenant-namespaces NS,...|*    namespaces whose pods are run too
  --grpc-port PORT                for devices, default 9443; 0: any free port
  --kubelet-ports FIRST-LAST      one for each device, default 20000-29999; 0: any free ports
  --http-port PORT                for /healthz, /readyz, /metrics, default 8080; 0: any free port
  --log-level LEVEL               debug, info, warn or error; default info
  --debug                         same as --log-level debug
Environment of the operator:
  KUBECONFIG, POD_NAMESPACE       see --kubeconfig and --namespace
  HTTPS_PROXY, NO_PROXY           proxy for the API server, and hosts without one; also in lower case
  KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT
                                  address of the API server, with the ServiceAccount of the pod
`;

/**
 * Parses flags and environment.
 * @throws {AranyaError} code "invalid" for the first flag that is unknown or has a wrong value
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
      throw invalidFlag("host-address", {
        value: address,
        expected: "an IP address",
      });
    }
  }
  const tenants = values["tenant-namespaces"]?.trim();
  return {
    kubeconfigFiles: values.kubeconfig === undefined
      ? (env.KUBECONFIG ?? "").split(":").filter((path) => path !== "")
      : [values.kubeconfig],
    namespace: values.namespace ?? (env.POD_NAMESPACE || undefined),
    hostAddresses,
    tenantNamespaces: tenants === "*" ? "*" : parseNamespaces(tenants ?? ""),
    grpcPort: toPort("grpc-port", values["grpc-port"] ?? "9443"),
    kubeletPorts: toPortRange(values["kubelet-ports"] ?? "20000-29999"),
    httpPort: toPort("http-port", values["http-port"] ?? "8080"),
    logLevel: toLogLevel(
      values["log-level"] ?? (values.debug ? "debug" : "info"),
    ),
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
        "log-level": { type: "string" },
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
    throw invalidFlag(flag, {
      value: text,
      expected: "a port from 0 to 65535",
    });
  }
  return port;
}

function toPortRange(text: string): PortRange {
  if (text === "0") return { first: 0, last: 0 };
  const [, firstText, lastText] = text.match(/^(\d+)-(\d+)$/) ?? [];
  const first = Number(firstText);
  const last = Number(lastText);
  if (!(first >= 1 && first <= last && last <= 65_535)) {
    throw invalidFlag("kubelet-ports", {
      value: text,
      expected: "a range such as 20000-29999, or 0",
    });
  }
  return { first, last };
}

function parseNamespaces(text: string): string[] {
  const names = text.split(",").map((part) => part.trim()).filter((part) =>
    part !== ""
  );
  for (const name of names) {
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
      throw invalidFlag("tenant-namespaces", {
        value: name,
        expected: "names of namespaces, or *",
      });
    }
  }
  return names;
}

function toLogLevel(text: string): LogLevel {
  const level = parseLogLevel(text);
  if (level) return level;
  throw invalidFlag("log-level", {
    value: text,
    expected: "debug, info, warn or error",
  });
}

function invalidFlag(
  flag: string,
  { value, expected }: { value: string; expected: string },
): AranyaError {
  return new AranyaError(
    "invalid",
    `Cannot read flag --${flag}: it is "${value}", expected ${expected}`,
  );
}

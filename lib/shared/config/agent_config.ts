// SPDX-License-Identifier: Apache-2.0
/** Content of agent.yaml. */
import type { EvictionSettings } from "./eviction.ts";

/**
 * What the device's owner allows the cluster to do on the host itself, outside of pods. What pods
 * may do is limited by {@linkcode PodSwitches} only.
 */
export interface HostSwitches {
  /** `kubectl exec` and `kubectl cp`. @default true */
  exec: boolean;
  /** `kubectl attach`. @default true */
  attach: boolean;
  /** `kubectl logs`. @default true */
  logs: boolean;
  /** `kubectl port-forward`, also to pods in the host's network. @default true */
  portForward: boolean;
  /** Path of the shell for `attach`. @default "/bin/sh" */
  shell?: string;
  /** Path of the file that `logs` shows. Absent: the journal. */
  logFile?: string;
}

/**
 * What the device's owner allows pods to do to the host. With all of them false, pods have to keep
 * to the baseline policy of the Pod Security Standards; see room `admission`.
 */
export interface PodSwitches {
  /**
   * Privileged containers, and what gives a container some of their rights: capabilities and
   * sysctls beyond those of the baseline policy, seccomp profile Unconfined, procMount Unmasked,
   * mount propagation Bidirectional.
   * @default true
   */
  privileged: boolean;
  /** Volumes of type hostPath. @default true */
  hostPath: boolean;
  /**
   * `hostNetwork`, `hostPID` and `hostIPC`, and hosts in probes and hooks, which the agent would
   * connect to from the host's network.
   * @default true
   */
  hostNamespaces: boolean;
}

/** Configuration of an agent. */
export interface AgentConfig {
  /** Name of the EdgeDevice. */
  device: string;
  /**
   * Addresses of the operators, "host:port", each tried when the one before is slow; at least one.
   */
  endpoints: string[];
  /**
   * PEM of the operator's CA. Absent with `insecure`, or when a well-known CA has signed its
   * certificate.
   */
  ca?: string;
  /** The device's credential, `KEY_BYTES` long. Never logged. */
  credential: Uint8Array;
  /** Name that the operator's certificate must have. Absent: the end point's host. */
  serverName?: string;
  /** Plain text instead of TLS. @default false */
  insecure: boolean;
  host: HostSwitches;
  pods: PodSwitches;
  runtime: {
    docker: {
      /** "unix:///path" or "tcp://host:port". Absent: DOCKER_HOST, else the usual socket. */
      host?: string;
    };
  };
  /** When pods are evicted. @default `DEFAULT_EVICTION` */
  eviction: EvictionSettings;
  /** Directory of the agent's state. @default "/var/lib/aranya/<device>" */
  stateDir: string;
  /**
   * File with the key that encrypts secrets in the state.
   * @default "<directory of agent.yaml>/<device>.key"
   */
  stateKeyFile: string;
  /** Delays between attempts to connect. */
  backoff: {
    /** @default 1000 */
    initialDelayMs: number;
    /** @default 60000 */
    maxDelayMs: number;
    /** @default 1.5 */
    factor: number;
  };
  /** The link is closed when nothing was received for this time, in milliseconds. @default 40000 */
  offlineAfterMs: number;
  /** What was left out of the file, with its line, e.g. an endpoint that is none. */
  warnings: string[];
}

// SPDX-License-Identifier: Apache-2.0
/** What agent.yaml holds. */

/** What the device's owner allows on the host itself. */
export interface HostSwitches {
  /** `kubectl exec` and `cp` on the host. @default true */
  exec: boolean;
  /** `kubectl attach` on the host. @default true */
  attach: boolean;
  /** `kubectl logs` of the host. @default true */
  logs: boolean;
  /** `kubectl port-forward` to the host. @default true */
  portForward: boolean;
  /** Shell of `attach`. Absent: the user's own, else /bin/sh. */
  shell?: string;
  /** File shown by `logs`. Absent: the journal. */
  logFile?: string;
}

/** Everything an agent needs to know. */
export interface AgentConfig {
  /** Name of the EdgeDevice. */
  device: string;
  /** Where the operator is, "host:port", tried in turn; at least one. */
  endpoints: string[];
  /** PEM of the operator's CA; absent only with `insecure` or a certificate of a well-known CA. */
  ca?: string;
  /** The device's credential, 32 bytes. Never logged. */
  credential: Uint8Array;
  /** Name that the server's certificate must hold. Absent: the end point's host. */
  serverName?: string;
  /** Plain text. @default false */
  insecure: boolean;
  host: HostSwitches;
  runtime: { docker: { host?: string } };
  /** @default "/var/lib/aranya/<device>" */
  stateDir: string;
  /** Seals secrets at rest. @default "<directory of agent.yaml>/<device>.key" */
  stateKeyFile: string;
  backoff: {
    /** @default 1000 */
    initialDelayMs: number;
    /** @default 60000 */
    maxDelayMs: number;
    /** @default 1.5 */
    factor: number;
  };
  /** Silence after which the link is given up, in milliseconds. @default 40000 */
  offlineAfterMs: number;
}

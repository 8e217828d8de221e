// SPDX-License-Identifier: Apache-2.0
/** The client: paths, bodies and replies over a transport. */
import type { Logger, Meter } from "../base/mod.ts";
import type { KubeClient } from "./api.ts";

/** Options of {@linkcode createKubeClient}. */
export interface KubeClientOptions {
  /** Path of a kubeconfig; absent: the account of the pod that we run in. */
  kubeconfigFile?: string | undefined;
  /** Context of the kubeconfig. @default its current one */
  context?: string | undefined;
  /** Folder of the pod's account. @default "/var/run/secrets/kubernetes.io/serviceaccount" */
  accountDir?: string | undefined;
  /** host:port of the API server for a pod's account. @default "kubernetes.default.svc:443" */
  inClusterServer?: string | undefined;
  /** How we name ourselves. @default "aranya" */
  userAgent?: string;
  log: Logger;
  meter?: Meter;
}

/**
 * Reads the credentials and makes a client; nothing is sent yet.
 * @throws {AranyaError} code "invalid" when the kubeconfig or account files can't be read or make no sense
 */
export function createKubeClient(
  _options: KubeClientOptions,
): Promise<KubeClient> {
  throw new TypeError("Cannot create client: not built yet");
}

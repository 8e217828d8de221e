// SPDX-License-Identifier: Apache-2.0
/** The CA that signs the client certificate with which the API server connects to kubelets. */
import { AranyaError, type Clock, type Logger } from "../../shared/base/mod.ts";
import { CONFIG_MAP, type KubeClient } from "../kube/mod.ts";

/** The ConfigMap that every API server with a client CA publishes it in. */
const CLIENT_CA_CONFIG_MAP = {
  namespace: "kube-system",
  name: "extension-apiserver-authentication",
};

/**
 * Reads the PEM bundle of the client CA.
 * @throws {AranyaError} code "unavailable" when the API server has none
 */
export async function readClientCa(
  client: KubeClient,
  signal: AbortSignal,
): Promise<string> {
  const { data } = await client.get(CONFIG_MAP, CLIENT_CA_CONFIG_MAP, {
    signal,
  });
  const bundle = data?.["client-ca-file"];
  if (bundle) return bundle;
  const { namespace, name } = CLIENT_CA_CONFIG_MAP;
  throw new AranyaError(
    "unavailable",
    `Cannot read the client CA from ConfigMap "${namespace}/${name}": it has no client-ca-file, expected the API server to be started with one`,
  );
}

/** Options of {@linkcode followClientCa}. */
export interface FollowClientCaOptions {
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** Receives the bundle after each read, changed or not. */
  onRead: (bundle: string) => void;
  /** Time between two reads, in milliseconds. @default 120000 */
  intervalMs?: number;
}

/**
 * Reads the client CA once per interval, because it may be rotated at any time. Failures, also
 * those that `onRead` throws, are logged. Returns or rejects when the signal is aborted.
 */
export async function followClientCa(
  client: KubeClient,
  options: FollowClientCaOptions,
): Promise<void> {
  const { clock, log, signal, onRead, intervalMs = 120_000 } = options;
  for (;;) {
    await clock.sleep(intervalMs, { signal });
    try {
      onRead(await readClientCa(client, signal));
    } catch (error) {
      if (signal.aborted) return;
      log.warn("client CA of the API server was not read", { error });
    }
  }
}

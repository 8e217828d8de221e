// SPDX-License-Identifier: Apache-2.0
/** Credentials of the service account of the pod that the program runs in. */
import { AranyaError, toFileReason } from "../../shared/base/mod.ts";
import type { Credentials } from "./credentials.ts";

/** Options of {@linkcode loadServiceAccount}. */
export interface LoadServiceAccountOptions {
  /** Folder with the files "token", "ca.crt" and "namespace". */
  dir: string;
  /** "host:port" of the API server. */
  server: string;
}

/**
 * Reads the files of the pod's service account. The token is read by the transport, since the
 * kubelet replaces it.
 * @throws {AranyaError} code "invalid"; the text names the file
 */
export async function loadServiceAccount(
  options: LoadServiceAccountOptions,
): Promise<Credentials> {
  const read = async (name: string) => {
    const path = `${options.dir}/${name}`;
    try {
      return await Deno.readTextFile(path);
    } catch (error) {
      throw new AranyaError(
        "invalid",
        `Cannot read service account file ${JSON.stringify(path)}: ${
          toFileReason(error)
        }, expected a kubeconfig or to run in a pod`,
        { cause: error },
      );
    }
  };
  // Fails early when there is no token.
  await read("token");
  return {
    server: `https://${options.server}`,
    ca: await read("ca.crt"),
    tokenFile: `${options.dir}/token`,
    insecure: false,
    namespace: (await read("namespace")).trim(),
  };
}

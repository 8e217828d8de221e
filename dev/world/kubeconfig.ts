// SPDX-License-Identifier: Apache-2.0
/** Writes kubeconfig files. */
import type { KeyFiles } from "./pki.ts";

/** Options of {@linkcode writeKubeconfig}. */
export interface KubeconfigOptions {
  /** Path of the file. */
  path: string;
  url: string;
  /** Path of the CA's certificate. */
  authority: string;
  /** Client certificate; without one, `token` is used. */
  client?: KeyFiles;
  /** Bearer token. */
  token?: string;
  namespace?: string;
}

/**
 * Writes a file with all certificates inside, readable for its owner only, and returns its path.
 */
export async function writeKubeconfig(
  options: KubeconfigOptions,
): Promise<string> {
  const { path, url, authority, client, token, namespace = "default" } =
    options;
  const user = client
    ? {
      "client-certificate-data": await base64File(client.cert),
      "client-key-data": await base64File(client.key),
    }
    : { token };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{
      name: "aranya",
      cluster: {
        server: url,
        "certificate-authority-data": await base64File(authority),
      },
    }],
    users: [{ name: "aranya", user }],
    contexts: [{
      name: "aranya",
      context: { cluster: "aranya", user: "aranya", namespace },
    }],
    "current-context": "aranya",
  };
  await Deno.writeTextFile(path, JSON.stringify(config, undefined, 2) + "\n", {
    mode: 0o600,
  });
  return path;
}

async function base64File(path: string): Promise<string> {
  return (await Deno.readFile(path)).toBase64();
}

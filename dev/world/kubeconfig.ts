// SPDX-License-Identifier: Apache-2.0
/** Writes kubeconfig files. */
import type { KeyPair } from "./pki.ts";

/** Who speaks to which API server. */
export interface KubeconfigOptions {
  /** Where it is written. */
  path: string;
  url: string;
  /** Path of the authority's certificate. */
  authority: string;
  /** A client certificate, or */
  client?: KeyPair;
  /** a bearer token. */
  token?: string;
  namespace?: string;
}

/** Writes the file with everything inside it, readable for its owner, and returns its path. */
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

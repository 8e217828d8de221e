// SPDX-License-Identifier: Apache-2.0
/** Clients of a scripted server. */
import { SILENT_LOGGER } from "../../../../lib/shared/base/mod.ts";
import {
  createKubeClient,
  type KubeClient,
} from "../../../../lib/operator/kube/mod.ts";
import type { ScriptedServer } from "./scripted_server.ts";

/** Creates a client by a kubeconfig with the server's address, CA and a token. */
export async function createScriptedClient(
  server: ScriptedServer,
): Promise<KubeClient> {
  const { server: url, ca } = server.credentials;
  const path = await Deno.makeTempFile();
  try {
    const cluster = {
      server: url,
      "certificate-authority-data": btoa(ca ?? ""),
    };
    await Deno.writeTextFile(
      path,
      JSON.stringify({
        clusters: [{ name: "x", cluster }],
        users: [{ name: "x", user: { token: "t0" } }],
        contexts: [{ name: "x", context: { cluster: "x", user: "x" } }],
        "current-context": "x",
      }),
    );
    return await createKubeClient({
      kubeconfigFile: path,
      log: SILENT_LOGGER,
    });
  } finally {
    await Deno.remove(path);
  }
}

// SPDX-License-Identifier: Apache-2.0
/** A transport to a scripted server. */
import {
  createTransport,
  type Transport,
} from "../../../../lib/operator/kube/transport.ts";
import { ScriptedServer } from "./scripted_server.ts";

/** Runs `work` with a new server and a transport to it, and closes both afterwards. */
export async function withTransport(
  work: (server: ScriptedServer, transport: Transport) => Promise<void>,
): Promise<void> {
  await using server = await ScriptedServer.start();
  const transport = createTransport({
    credentials: server.credentials,
    load: () => Promise.resolve(server.credentials),
    userAgent: "test",
  });
  try {
    await work(server, transport);
  } finally {
    transport.close();
  }
}

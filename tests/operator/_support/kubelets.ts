// SPDX-License-Identifier: Apache-2.0
/** Kubelet servers on free ports of this machine. */
import { createServer } from "node:net";
import { NO_METER, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { createAccessReviews } from "../../../lib/operator/fleet/access_reviews.ts";
import {
  KubeletRegistry,
  type PortRange,
} from "../../../lib/operator/fleet/kubelet_registry.ts";
import type { KubeClient } from "../../../lib/operator/kube/mod.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";

/** Creates a registry with a certificate of its own CA; it can't authenticate anybody. */
export async function createKubelets(
  ports: PortRange,
): Promise<KubeletRegistry> {
  const authority = await createAuthority({ name: "test" });
  return new KubeletRegistry({
    ports,
    auth: createAccessReviews({} as KubeClient),
    clientCa: authority.cert,
    hostTls: await issueServerCertificate({
      authority,
      commonName: "system:node:test",
      ips: ["127.0.0.1"],
      dnsNames: [],
    }),
    certificates: { request() {}, release() {}, problemsOf: () => [] },
    log: SILENT_LOGGER,
    meter: NO_METER,
  });
}

/**
 * Returns three neighbouring ports without listeners, below those that the system assigns to
 * outgoing connections.
 */
export async function findFreePorts(): Promise<PortRange> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = 10_000 + Math.floor(Math.random() * 9_000);
    const ports = [first, first + 1, first + 2];
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) {
      return { first, last: first + 2 };
    }
  }
  throw new Error("Cannot find three neighbouring ports: none are free");
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.on("error", () => resolve(false));
  server.listen(port, () => server.close(() => resolve(true)));
  return await promise;
}

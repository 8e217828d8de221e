// SPDX-License-Identifier: Apache-2.0
/** Negotiation of the protocol of an upgraded connection (header X-Stream-Protocol-Version). */
import { AranyaError } from "../../shared/base/mod.ts";

/**
 * Remote command protocols, best first. v4 reports the result as a Status; v3 can resize terminals;
 * v1 and v2 can do neither.
 */
export const REMOTE_COMMAND_PROTOCOLS = [
  "v4.channel.k8s.io",
  "v3.channel.k8s.io",
  "v2.channel.k8s.io",
  "channel.k8s.io",
] as const;

/** One of {@linkcode REMOTE_COMMAND_PROTOCOLS}. */
export type RemoteCommandProtocol = typeof REMOTE_COMMAND_PROTOCOLS[number];

/** Port-forward protocols. */
export const PORT_FORWARD_PROTOCOLS = ["portforward.k8s.io"] as const;

/**
 * Returns the first protocol of the client's list that the server supports. Codes and texts of
 * errors are those of the kubelet.
 * @throws {AranyaError} code "invalid" when the client names no protocol, "forbidden" when the
 * server supports none of them
 */
export function negotiateProtocol<T extends string>(
  header: string | undefined,
  protocols: readonly T[],
): T {
  const requested = (header ?? "").split(",").map((name) => name.trim())
    .filter((name) => name !== "");
  if (requested.length === 0) {
    throw new AranyaError(
      "invalid",
      "unable to upgrade: X-Stream-Protocol-Version is required",
    );
  }
  for (const name of requested) {
    const match = protocols.find((protocol) => protocol === name);
    if (match) return match;
  }
  throw new AranyaError(
    "forbidden",
    `unable to upgrade: unable to negotiate protocol: client supports [${
      requested.join(" ")
    }], server accepts [${protocols.join(" ")}]`,
  );
}

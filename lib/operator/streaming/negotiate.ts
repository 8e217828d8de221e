// SPDX-License-Identifier: Apache-2.0
/** Which protocol an upgraded connection speaks: the header X-Stream-Protocol-Version, and Kubernetes' names for what it holds. */
import { AranyaError } from "../../shared/base/mod.ts";

/** Remote command protocols, best first. v4 says exit codes as a Status, v3 resizes terminals, v1 and v2 do neither. */
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
 * The client's first choice that we know.
 * @throws {AranyaError} "invalid" when the client names none, "forbidden" when it names only others, as a kubelet answers
 */
export function negotiateProtocol<T extends string>(
  header: string | undefined,
  protocols: readonly T[],
): T {
  const wanted = (header ?? "").split(",").map((name) => name.trim())
    .filter((name) => name !== "");
  if (wanted.length === 0) {
    throw new AranyaError(
      "invalid",
      "unable to upgrade: X-Stream-Protocol-Version is required",
    );
  }
  for (const name of wanted) {
    const match = protocols.find((protocol) => protocol === name);
    if (match) return match;
  }
  throw new AranyaError(
    "forbidden",
    `unable to upgrade: unable to negotiate protocol: client supports [${
      wanted.join(" ")
    }], server accepts [${protocols.join(" ")}]`,
  );
}

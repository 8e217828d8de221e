// SPDX-License-Identifier: Apache-2.0
/** Waiting until the API server serves EdgeDevices. */
import { until } from "../base/wait.ts";
import type { Kubectl } from "./kubectl.ts";

const DEFINITION = ["crd", "edgedevices.aranya.arhat.dev"];

/** The part of a CustomResourceDefinition that is read. */
interface Definition {
  /** `conditions` is null until the API server has looked at the definition. */
  status?: { conditions?: { type: string; status: string }[] | null };
}

/**
 * Resolves when the definition of EdgeDevice is established. `kubectl wait` fails on one that has
 * just been created, because its conditions are null.
 */
export async function untilEdgeDevicesServed(
  kubectl: Pick<Kubectl, "find">,
): Promise<void> {
  await until(async () => {
    const found = await kubectl.find<Definition>(DEFINITION);
    return found?.status?.conditions?.some(({ type, status }) =>
      type === "Established" && status === "True"
    );
  }, { what: "the definition of EdgeDevice", timeoutMs: 60_000 });
}

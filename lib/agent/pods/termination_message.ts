// SPDX-License-Identifier: Apache-2.0
/** The termination message of a container. */
import { concatBytes, fromUtf8 } from "../../shared/base/mod.ts";
import type { RuntimeContainer } from "../runtime/mod.ts";
import type { WorkerContext } from "./context.ts";

/** Part of the log that stands in for a missing message, as a kubelet takes it. */
const FALLBACK_LINES_COUNT = 80;
const FALLBACK_BYTES = 2_048;
const FALLBACK_TIMEOUT_MS = 10_000;

/** Options of {@linkcode readTerminationMessage}. */
export interface ReadTerminationMessageOptions {
  context: Pick<WorkerContext, "volumes" | "runtime" | "log">;
  podUid: string;
  /** Whether terminationMessagePolicy is FallbackToLogsOnError. */
  fallbackToLogs: boolean;
}

/**
 * Reads what an exited container wrote to its terminationMessagePath. When that is empty, the
 * container failed and the policy allows it, returns the end of its log. Empty without either.
 */
export async function readTerminationMessage(
  container: RuntimeContainer,
  options: ReadTerminationMessageOptions,
): Promise<string> {
  const { context, podUid, fallbackToLogs } = options;
  const { name, attempt, id, exitCode } = container;
  const file = await context.volumes.readMessage({
    podUid,
    container: name,
    attempt,
  }).catch((error) => {
    context.log.warn("termination message can't be read", {
      container: name,
      error,
    });
    return new Uint8Array();
  });
  const message = fromUtf8(file);
  if (message !== "" || !fallbackToLogs || exitCode === 0) return message;
  const chunks: Uint8Array[] = [];
  try {
    const log = context.runtime.logs({
      target: { kind: "container", containerId: id, podUid },
      follow: false,
      timestamps: false,
      tailLines: FALLBACK_LINES_COUNT,
    }, AbortSignal.timeout(FALLBACK_TIMEOUT_MS));
    for await (const chunk of log) chunks.push(chunk);
  } catch (error) {
    context.log.warn("log of a terminated container can't be read", {
      container: name,
      error,
    });
  }
  return fromUtf8(concatBytes(chunks).subarray(-FALLBACK_BYTES));
}

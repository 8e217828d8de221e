// SPDX-License-Identifier: Apache-2.0
/** `metav1.Status`, as kubectl reads it from an error stream or the body of a reply. */
import { AranyaError, ERROR_MAPPINGS } from "../../shared/base/mod.ts";
import type { ExitStatus } from "../../shared/exec/mod.ts";

/** The fields of `metav1.Status` that are used. */
export interface KubeStatus {
  kind: "Status";
  apiVersion: "v1";
  /** Empty. */
  metadata: Record<never, never>;
  status: "Success" | "Failure";
  /** A sentence for people. */
  message?: string;
  /** In CamelCase, e.g. "NotFound". */
  reason?: string;
  /** Holds the exit code of a command as a cause. */
  details?: { causes: { reason: string; message: string }[] };
  /** HTTP status that belongs to the reason. */
  code?: number;
}

const COMMON = { kind: "Status", apiVersion: "v1", metadata: {} } as const;

/**
 * Returns the Status of a command that has ended. kubectl takes its exit code from it, which has 8
 * bits. An exit with a reason is an error: the command could not be run, or its exit code is
 * unknown.
 */
export function toCommandStatus(exit: ExitStatus): KubeStatus {
  if (exit.reason) {
    return toErrorStatus(
      new AranyaError("internal", exit.message || exit.reason),
    );
  }
  if (exit.code === 0) return { ...COMMON, status: "Success" };
  // A failure must not become 0.
  const code = String((exit.code & 0xff) || 0xff);
  return {
    ...COMMON,
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: code }] },
  };
}

/** Returns the Status of an error. */
export function toErrorStatus(error: AranyaError): KubeStatus {
  const { httpStatus, reason } = ERROR_MAPPINGS[error.code];
  return {
    ...COMMON,
    status: "Failure",
    message: error.message,
    ...(reason === "" ? {} : { reason }),
    code: httpStatus,
  };
}

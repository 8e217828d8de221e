// SPDX-License-Identifier: Apache-2.0
/** A Kubernetes Status (metav1.Status), as kubectl reads it from an error stream or an answer's body. */
import { AranyaError, ERROR_MAPPINGS } from "../../shared/base/mod.ts";
import type { ExitStatus } from "../../shared/exec/mod.ts";

/** The fields of metav1.Status that are used. */
export interface KubeStatus {
  /** Always the same. */
  kind: "Status";
  /** Always the same. */
  apiVersion: "v1";
  /** Empty. */
  metadata: Record<never, never>;
  /** Whether it went well. */
  status: "Success" | "Failure";
  /** For people. */
  message?: string;
  /** One word for programs. */
  reason?: string;
  /** Holds the exit code. */
  details?: { causes: { reason: string; message: string }[] };
  /** The HTTP status that goes with the reason. */
  code?: number;
}

const HEAD = { kind: "Status", apiVersion: "v1", metadata: {} } as const;

/**
 * The Status of a command that ran to its end: what kubectl makes its own exit code of, which it reads in 8 bits.
 * One with a reason could not run, or not be followed: that is an error with its message.
 */
export function toCommandStatus(end: ExitStatus): KubeStatus {
  if (end.reason) {
    return toErrorStatus(
      new AranyaError("internal", end.message || end.reason),
    );
  }
  if (end.code === 0) return { ...HEAD, status: "Success" };
  const code = String((end.code & 0xff) || 0xff);
  return {
    ...HEAD,
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: code }] },
  };
}

/** The Status of an error. */
export function toErrorStatus(error: AranyaError): KubeStatus {
  const { httpStatus, reason } = ERROR_MAPPINGS[error.code];
  return {
    ...HEAD,
    status: "Failure",
    message: error.message,
    ...(reason === "" ? {} : { reason }),
    code: httpStatus,
  };
}

// SPDX-License-Identifier: Apache-2.0
/** Channel numbers of streams, per method (proto/aranya.proto, enum Method). */

/** Channels of EXEC and ATTACH. */
export const EXEC_CHANNELS = {
  /** Operator to agent. */
  stdin: 0,
  /** Agent to operator. */
  stdout: 1,
  /** Agent to operator. */
  stderr: 2,
  /** Operator to agent; each chunk is one Resize message. */
  resize: 4,
} as const;

/** Channels of LOGS. */
export const LOGS_CHANNELS = {
  /** Operator to agent; carries no bytes. */
  stdin: 0,
  /** Agent to operator: the log. */
  log: 1,
} as const;

/** Channels of PORT_FORWARD. */
export const PORT_FORWARD_CHANNELS = {
  /** From the client to the target. */
  down: 0,
  /** From the target to the client. */
  up: 1,
} as const;

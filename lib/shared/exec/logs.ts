// SPDX-License-Identifier: Apache-2.0
/** logs: which part of a container's log is read. */

/** Options of reading a log, after everything relative has been resolved (corev1 PodLogOptions). */
export interface LogOptions {
  /** Continue with new lines until the container ends. */
  follow: boolean;
  /** Each line begins with its time, RFC 3339 with nanoseconds. */
  timestamps: boolean;
  /** Number of lines from the end; 0 or more. Absent: all. */
  tailLines?: number;
  /** Maximum number of bytes; 1 or more. Absent: no limit. */
  limitBytes?: number;
  /** Only lines written at or after this time, RFC 3339. */
  sinceTime?: string;
}

/** A request for a container's log. */
export interface LogsRequest<Target> extends LogOptions {
  target: Target;
  /** The log of the instance before the last restart. */
  previous: boolean;
  /** Only lines of the last seconds; 1 or more, never beside `sinceTime`. */
  sinceSeconds?: number;
}

// SPDX-License-Identifier: Apache-2.0
/** Versions and capabilities: what operator and agent agree on when a link begins. */

/**
 * Version of frames, handshake and sealing: everything before the first Hello. It is no part of the
 * negotiation, and changes only if those bytes themselves must change.
 */
export const FRAMING_VERSION = 1;

/** Highest protocol version that this program supports; negotiated by Hello and Welcome. */
export const PROTOCOL_VERSION = 1;

/** Lowest protocol version that this program supports. */
export const MIN_PROTOCOL_VERSION = 1;

/**
 * Values of Hello.capabilities and Welcome.capabilities. Each side announces its own; unknown ones
 * are ignored.
 */
export const CAPABILITIES = {
  /** Pods as described by version 1 of PodSpec. */
  pods: "pods.v1",
  /** Liveness, readiness and startup probes. */
  probes: "probes.v1",
  exec: "exec",
  attach: "attach",
  logs: "logs",
  portForward: "port-forward",
  stats: "stats",
} as const;

/** Range of protocol versions that one side supports; both ends are included. */
export interface VersionRange {
  min: number;
  max: number;
}

/** Returns the highest version that both sides support, or undefined if there is none. */
export function negotiateVersion(
  peer: VersionRange,
  own: VersionRange = { min: MIN_PROTOCOL_VERSION, max: PROTOCOL_VERSION },
): number | undefined {
  const version = Math.min(peer.max, own.max);
  return version >= peer.min && version >= own.min ? version : undefined;
}

// SPDX-License-Identifier: Apache-2.0
/** Which protocol this program speaks, and the words both sides use for what they can do. */
import { type Method, MethodSchema } from "./_gen.ts";

/** Highest version of the protocol that this program speaks. */
export const PROTOCOL_VERSION = 1;

/** Lowest version of the protocol that this program speaks. */
export const MIN_PROTOCOL_VERSION = 1;

/** Words of Hello.capabilities and Welcome.capabilities. Ones that are not listed here are kept and mean nothing. */
export const CAPABILITIES = {
  /** Pods as PodSpec of version 1 tells them. */
  pods: "pods.v1",
  /** Liveness, readiness and start-up probes. */
  probes: "probes.v1",
  exec: "exec",
  attach: "attach",
  logs: "logs",
  portForward: "port-forward",
  stats: "stats",
} as const;

/** Initial credit of a session and of each of its channels, in bytes; part of the protocol. */
export const INITIAL_CREDIT_BYTES = 262_144;

/** What a DATA envelope costs of its channel's credit beyond its payload, in bytes; part of the protocol. */
export const DATA_COST_BYTES = 64;

/** Bit of a method's number that says stream rather than request. */
const STREAM_BIT = 0x10;

/** Whether a method opens a stream; true or false for methods of later versions too. */
export function isStreamMethod(method: Method): boolean {
  return (method & STREAM_BIT) !== 0;
}

/** "LIST_PODS", or the number of a method of a later version. */
export function methodName(method: Method): string {
  return MethodSchema.value[method]?.localName ?? String(method);
}

/** The version two sides speak: the highest that both do, or undefined when there is none. */
export function agreeOnVersion(
  peer: { min: number; max: number },
  own: { min: number; max: number } = {
    min: MIN_PROTOCOL_VERSION,
    max: PROTOCOL_VERSION,
  },
): number | undefined {
  const version = Math.min(peer.max, own.max);
  return version >= peer.min && version >= own.min ? version : undefined;
}

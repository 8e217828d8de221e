// SPDX-License-Identifier: Apache-2.0
/**
 * Transports between operator and agent. Whole packets come in and go out over a {@linkcode Link}:
 * the operator takes links from a listener, the agent gets one from a dialer. This room never looks
 * inside a packet and knows no devices; who the peer is and what it may do is decided above.
 *
 * @example
 * ```ts
 * const dialer = createGrpcDialer({ endpoint: "operator.example:9443", ca, log });
 * const link = await dialer.dial({ signal });
 * await link.send(packet);
 * for await (const received of link.packets) handle(received);
 * ```
 *
 * @module
 */
export { createGrpcDialer, type GrpcDialerOptions } from "./grpc_dialer.ts";
export {
  type GrpcListener,
  type GrpcListenerLimits,
  listenGrpc,
  type ListenGrpcOptions,
} from "./grpc_listener.ts";
export type * from "./link.ts";
export type { GrpcServerTls } from "./server_tls.ts";

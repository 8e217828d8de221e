// SPDX-License-Identifier: Apache-2.0
/** What both ends of the gRPC transport share: the service, its codec (none: messages are our packets) and its limits. */
import { Buffer } from "node:buffer";
import {
  type ChannelOptions,
  logVerbosity,
  setLogVerbosity,
} from "@grpc/grpc-js";

/** The one method: both sides stream packets. */
export const CONNECT_PATH = "/aranya.v1.Link/Connect";

/** Longest packet when nothing else is said, in bytes: 64 KiB, what one read of a pipe or socket brings, and room for every header. */
export const DEFAULT_MAX_PACKET_BYTES = 66_560;
/** What either end takes, whatever it sends itself: the two are upgraded apart. */
const MAX_RECEIVED_BYTES = 1024 * 1024;

/** HTTP/2's windows at both ends, in bytes: above its 64 KiB, which is one packet of ours and stalls at every one. */
export const FLOW_WINDOW_BYTES = 256 * 1024;

/** A packet as gRPC wants it; the same memory. */
export function toBuffer(packet: Uint8Array): Buffer {
  return Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
}

/** A packet as it came; the same memory. */
export function fromBuffer(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** The service by name of its method, for a server. */
export const LINK_SERVICE = {
  connect: {
    path: CONNECT_PATH,
    requestStream: true,
    responseStream: true,
    requestSerialize: toBuffer,
    requestDeserialize: fromBuffer,
    responseSerialize: toBuffer,
    responseDeserialize: fromBuffer,
  },
} as const;

/** Options that hold at both ends. */
export function sharedOptions(maxPacketBytes: number): ChannelOptions {
  return {
    "grpc.max_receive_message_length": Math.max(
      maxPacketBytes,
      MAX_RECEIVED_BYTES,
    ),
    "grpc.max_send_message_length": maxPacketBytes,
    // Its registry of calls and sockets only costs memory here.
    "grpc.enable_channelz": 0,
  };
}

/** The library writes to the console by itself; what matters reaches us as errors. */
export function silenceGrpc(): void {
  setLogVerbosity(logVerbosity.NONE);
}

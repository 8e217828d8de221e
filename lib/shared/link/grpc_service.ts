// SPDX-License-Identifier: Apache-2.0
/** The gRPC service of a link. A message is a packet as it is, without protobuf around it. */
import { Buffer } from "node:buffer";
import {
  type ChannelOptions,
  logVerbosity,
  setLogVerbosity,
} from "@grpc/grpc-js";

/** Path of the only method, a bidirectional stream of packets. */
export const CONNECT_PATH = "/aranya.v1.Link/Connect";

/**
 * Default upper bound of a packet, in bytes: 64 KiB, which is what one read of a pipe or socket
 * returns, and room for all headers.
 */
export const DEFAULT_MAX_PACKET_BYTES = 66_560;

/** Lower bound of what either end accepts, so that the two can be upgraded independently. */
const MIN_ACCEPTED_PACKET_BYTES = 1024 * 1024;

/**
 * HTTP/2 flow-control window at both ends, in bytes. The default of 64 KiB is one packet of ours,
 * so that the sender would wait for a window update after each.
 */
export const FLOW_WINDOW_BYTES = 256 * 1024;

/** Converts a packet for gRPC; shares its memory. */
export function toBuffer(packet: Uint8Array): Buffer {
  return Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
}

/** Converts a message of gRPC to a packet; shares its memory. */
export function fromBuffer(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** Definition of the service, for a server. */
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

/** Returns the channel options that both ends use. */
export function toSharedOptions(maxPacketBytes: number): ChannelOptions {
  return {
    "grpc.max_receive_message_length": Math.max(
      maxPacketBytes,
      MIN_ACCEPTED_PACKET_BYTES,
    ),
    "grpc.max_send_message_length": maxPacketBytes,
    // The library's registry of calls and sockets only costs memory here.
    "grpc.enable_channelz": 0,
  };
}

/** Stops the library from writing to the console. Its errors reach us as statuses. */
export function silenceGrpc(): void {
  setLogVerbosity(logVerbosity.NONE);
}

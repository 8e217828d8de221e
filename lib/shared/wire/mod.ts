// SPDX-License-Identifier: Apache-2.0
/**
 * The codec of the wire protocol, whose specification is proto/aranya.proto: messages, envelopes,
 * errors, and the constants that both ends share. Values come in and bytes go out, or the other way
 * round. Broken bytes are an error with code "invalid". This room never does I/O, and holds no
 * state of streams, windows or deadlines.
 *
 * @example
 * ```ts
 * const bytes = encodeMessage(ExecSchema, { command: ["ls", "-l"], stdout: true });
 * const { command } = decodeMessage(ExecSchema, bytes);
 * ```
 *
 * @module
 */
// Creates a message from plain fields; toBinary and fromBinary stay behind encode/decodeMessage.
export { create } from "@bufbuild/protobuf";
export * from "./_gen.ts";
export * from "./channels.ts";
export * from "./chunks.ts";
export * from "./codec.ts";
export * from "./envelope.ts";
export * from "./failure.ts";
export * from "./field_count.ts";
export * from "./flow_control.ts";
export * from "./frame.ts";
export * from "./limits.ts";
export * from "./method.ts";
export * from "./refusal.ts";
export * from "./token_files.ts";
export * from "./version.ts";

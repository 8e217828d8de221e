// SPDX-License-Identifier: Apache-2.0
/**
 * The wire protocol's codec: messages of proto/aranya.proto to bytes and back, envelopes, chunks and errors. Values come in and
 * bytes go out, or the other way round. This room never does I/O and knows no order, window or deadline.
 *
 * @module
 */
/** Builds a message; protobuf-es documents it. */
export { create } from "@bufbuild/protobuf";
export * from "./_gen.ts";
export * from "./channels.ts";
export * from "./chunks.ts";
export * from "./codec.ts";
export * from "./envelope.ts";
export * from "./failure.ts";
export * from "./refusal.ts";
export * from "./version.ts";

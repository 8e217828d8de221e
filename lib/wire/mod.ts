// SPDX-License-Identifier: Apache-2.0
/**
 * The wire protocol's codec: messages of proto/aranya.proto to bytes and back, chunking, reassembly and size limits. No I/O.
 *
 * @module
 */
export { create, fromBinary, toBinary } from "@bufbuild/protobuf";
export * from "./_gen.ts";

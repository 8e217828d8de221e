// SPDX-License-Identifier: Apache-2.0
//
// The wire protocol between the operator and the agent on a device. The comments in this file are
// normative. Devices in the field can't all be upgraded at once, so the protocol only grows: a
// field keeps its number and meaning, and a reader skips fields and enum values that it does not
// know.
//
// There are three layers: frames, encryption, session.
//
// 1. Frames
//
//   A link carries frames in both directions: one bidirectional gRPC stream, or a pair of MQTT
//   topics. A frame is
//
//     type (1 byte)  link id (4 bytes, big endian)  body
//
//     0x01 HandshakeInit     agent to operator   message HandshakeInit, in cleartext
//     0x02 HandshakeReply    operator to agent   message HandshakeReply, in cleartext
//     0x03 HandshakeRefusal  operator to agent   message HandshakeRefusal, in cleartext
//     0x04 Sealed            both                counter (8 bytes, big endian), ciphertext and tag
//     0x05 Knock             operator to agent   empty
//
//   The agent chooses a random link id, not 0, for each handshake; all frames of that link carry
//   it. A Knock belongs to no link: its link id is 0, as is that of a refusal before HandshakeInit
//   was read. Receivers accept frames of up to 1 MiB, those of the three handshake messages of up
//   to 1029 bytes; a sender may use a lower limit.
//
//   A gRPC stream is exclusive: only the peer can send on it. There a frame that is too large, of
//   an unknown type, of another link id, unexpected, or that can't be opened ends the link. On a
//   topic of a broker anybody with access to the broker can send, and frames of earlier links may
//   arrive at any time. There such frames are dropped and counted, in the handshake until its
//   deadline. On either, a type that only later versions know is therefore only sent to a peer that
//   announced it.
//
//   On topics a HandshakeInit with a new link id begins a new link beside the present one, which it
//   replaces once it is welcomed.
//
//   Refusal and Knock are not authenticated: anybody on the path can make them. They are hints. An
//   agent that is refused tries again, later; it never falls back to a weaker handshake. On a link
//   that is not exclusive, a reply that can be opened still counts for 2 seconds after a refusal. A
//   Knock says that an operator has begun to listen, on transports where that is not visible
//   otherwise; over gRPC, where the end of a connection is visible, operators send none. An agent
//   accepts it on every transport: if it waits for a reply, it sends its HandshakeInit once more;
//   if its link is up, it closes it and connects again, at most once in 30 seconds.
//
// 2. Encryption
//
//   Noise_NNpsk0_25519_ChaChaPoly_SHA256. The prologue is "aranya", a zero byte, the framing
//   version (4 bytes, big endian), the link id (4 bytes, big endian) and the device name (UTF-8).
//   The pre-shared key is the device's credential.
//
//   The framing version is 1. It covers this layer and the frames, and is no part of any
//   negotiation; versions of the protocol above are negotiated by Hello and Welcome.
//
//   Each direction has a key and counts its sealed packets from 0 by exactly 1. A packet whose
//   counter is not above the last one is a duplicate and dropped. A gap ends the link on every
//   transport: packets were lost, and the next link resumes the streams. (Were gaps allowed, an
//   intermediary could compose a value of parts of two, by dropping packets.) Immediately after
//   HandshakeReply the agent sends an empty packet, which proves to the operator that HandshakeInit
//   was not a replay. Empty packets are not delivered to the session.
//
//   The operator compares the key that the handshake was proven with to the device's present keys
//   once more before it welcomes the agent: the credential may have been rotated or revoked
//   meanwhile.
//
// 3. Session
//
//   Multiplexes streams over the link. Every request and every exec, log or port-forward is one
//   stream. A stream is a series of envelopes: Command towards the device, Message towards the
//   operator. Both have the same five fields.
//
// Beginning and end of a link
//
//   The agent's first packet is HELLO, the operator's is HELLO_REPLY with Welcome, Refused or
//   Redirect. A side that ends a link, on purpose or because of an error, sends GOODBYE as its last
//   packet if it still can, because over a broker closing is not visible otherwise; the receiver
//   closes the link at once, and the agent connects again. A link is also ended after
//   Welcome.offline_after_ms without any packet; a PING in between asks for one.
//
//   A newer link of the same machine replaces one that is up, which is ended.
//
// Streams
//
//   The opener sends OPEN, the other end (the acceptor) answers with RESULT. In between, a method
//   that has channels sends DATA and END in both directions. Either side may send RESET at any
//   time, which ends both directions. Streams are opened in the order of their numbers. Stream 0 is
//   link control.
//
// Reliability, per stream and direction
//
//   Every envelope occupies `1 + length of payload` of the sequence space of its stream and
//   direction, which starts at 0. (The 1 makes an empty envelope acknowledgeable.) Envelopes that
//   are not acknowledged when a link breaks are sent again on the next link between the same two
//   processes. An envelope is repeated unchanged; if it is too large for a packet of the new link,
//   it is sent in PARTs. Envelopes of stream 0 have no sequence and are never repeated. A receiver
//   drops duplicates. DATA above its credit or after the END of its channel, and a value above its
//   limit, RESET the stream. A gap in the sequence, an acknowledgement of what was never sent, and
//   every other violation end the link; the side that noticed it does not resume on the next one.
//
// Flow control: two credits, both absolute and never decreasing, both starting at 262144
//
//   - Of a stream and direction: the sequence position up to which the peer may send. It rises as
//     envelopes arrive.
//   - Of a channel and direction: the cost of the DATA that the peer may send in total. One DATA
//     costs 64 + length of payload. The credit rises as the consumer reads.
//
//   A sender has limits of its own, whatever credit the peer grants. It holds the unacknowledged
//   bytes of the whole link to about half a second of the rate that it measures with
//   Acks.link_bytes, so that a request never waits long behind a large transfer; and those of one
//   stream to about 4 MiB, because it has to keep them for a resume.
//
// Limits on what a peer sends, checked before it is decoded or stored
//
//   - A value (the joined payloads of OPEN or of RESULT) of up to 2 MiB towards the operator, 16
//     MiB towards the agent; less for some methods, see Method. 256 KiB for Hello and HelloReply,
//     in which a text has up to 256 characters and an instance id up to 64 bytes.
//   - 4 links of one device between handshake and HelloReply: a further one ends the oldest.
//   - A message of up to 65536 fields, a PodSpec of up to 1048576, Hello 8192, Acks 16384, Facts
//     4096, Open 64; each element of a repeated field counts, also in nested messages.
//   - 64 open streams that the agent has opened, 1024 that the operator has opened. More are RESET
//     with "unavailable"; twice as many end the link.
//   - Two memory limits of 4 times the largest value each: one for the incomplete values of a peer;
//     one for its requests that are being handled together with the responses that it has not
//     acknowledged. What exceeds one is RESET, with "too_large" or "unavailable". At the operator
//     both together are guaranteed to 512 KiB for each device, and share 32 MiB above that with all
//     devices: what finds no room is RESET with "unavailable".
//   - Of the statuses of one device's pods the operator stores up to 4096, and up to 16 MiB with 2
//     KiB for each pod and 128 bytes for each field. It ignores what is above that. 1 MiB is
//     guaranteed for each device, 64 MiB above that are shared by all: for what finds no room there
//     the report is answered with "unavailable".
//   - A pace for what a device sends without being asked by the operator: everything but envelopes
//     of streams that the operator opened, and ACKs of what the operator has just sent. 128 KiB
//     at once and 128 KiB per second; up to 1 MiB more at once while all devices together send
//     little. A packet counts with 1 KiB, a field of Acks, Hello or a report with 64 bytes, a link
//     with 32 KiB beside their length. The operator reads the link of a faster device more slowly.
//   - A pace for METHOD_FETCH_BLOBS: 4 MiB of contents at once and 512 KiB per second, up to 64 MiB
//     more at once while all devices together fetch little. Requests are answered one at a time.
//   - 16 channels per stream. 64 KiB for a Failure.
//   - Answers to PING, and UNKNOWN_STREAMS, may be left out when many of them wait to be sent.

// @generated by protoc-gen-es v2.17.0 with parameter "target=ts,import_extension=ts,erasable_syntax=true"
// @generated from file aranya.proto (package aranya.v1, syntax proto3)
/* eslint-disable */

import type { GenEnum, GenFile, GenMessage } from "@bufbuild/protobuf/codegenv2";
import { enumDesc, fileDesc, messageDesc } from "@bufbuild/protobuf/codegenv2";
import type { Message as Message$1, UnknownEnum } from "@bufbuild/protobuf";

/**
 * Describes the file aranya.proto.
 */
export const file_aranya: GenFile = /*@__PURE__*/
  fileDesc("CgxhcmFueWEucHJvdG8SCWFyYW55YS52MSJHCg1IYW5kc2hha2VJbml0Eg4KBmRldmljZRgBIAEoCRIXCg9mcmFtaW5nX3ZlcnNpb24YAiABKA0SDQoFbm9pc2UYAyABKAwiHwoOSGFuZHNoYWtlUmVwbHkSDQoFbm9pc2UYASABKAwiXwoQSGFuZHNoYWtlUmVmdXNhbBIoCgZyZWFzb24YASABKA4yGC5hcmFueWEudjEuUmVmdXNhbFJlYXNvbhIPCgdtZXNzYWdlGAIgASgJEhAKCGVuZHBvaW50GAMgASgJIlwKB0NvbW1hbmQSDAoEa2luZBgBIAEoDRIOCgZzdHJlYW0YAiABKA0SEAoIc2VxdWVuY2UYAyABKAQSEAoIY29tcGxldGUYBCABKAgSDwoHcGF5bG9hZBgFIAEoDCJcCgdNZXNzYWdlEgwKBGtpbmQYASABKA0SDgoGc3RyZWFtGAIgASgNEhAKCHNlcXVlbmNlGAMgASgEEhAKCGNvbXBsZXRlGAQgASgIEg8KB3BheWxvYWQYBSABKAwi6AEKBUhlbGxvEhgKEHByb3RvY29sX3ZlcnNpb24YASABKA0SFAoMY2FwYWJpbGl0aWVzGAIgAygJEhUKDWFnZW50X3ZlcnNpb24YAyABKAkSEgoKbWFjaGluZV9pZBgEIAEoCRIPCgdib290X2lkGAUgASgJEhMKC2luc3RhbmNlX2lkGAYgASgMEhgKEHBlZXJfaW5zdGFuY2VfaWQYByABKAwSJgoGcmVzdW1lGAggAygLMhYuYXJhbnlhLnYxLlN0cmVhbVBvaW50EhwKFG1pbl9wcm90b2NvbF92ZXJzaW9uGAkgASgNIo4BCgpIZWxsb1JlcGx5EiUKB3dlbGNvbWUYASABKAsyEi5hcmFueWEudjEuV2VsY29tZUgAEiUKB3JlZnVzZWQYAiABKAsyEi5hcmFueWEudjEuUmVmdXNlZEgAEicKCHJlZGlyZWN0GAMgASgLMhMuYXJhbnlhLnYxLlJlZGlyZWN0SABCCQoHb3V0Y29tZSLRAQoHV2VsY29tZRIYChBwcm90b2NvbF92ZXJzaW9uGAEgASgNEhQKDGNhcGFiaWxpdGllcxgCIAMoCRIYChBvcGVyYXRvcl92ZXJzaW9uGAMgASgJEhMKC2luc3RhbmNlX2lkGAQgASgMEg8KB3Jlc3VtZWQYBSABKAgSJgoGcmVzdW1lGAYgAygLMhYuYXJhbnlhLnYxLlN0cmVhbVBvaW50EhQKDHRpbWVfdW5peF9tcxgHIAEoAxIYChBvZmZsaW5lX2FmdGVyX21zGAggASgNIkQKB1JlZnVzZWQSKAoGcmVhc29uGAEgASgOMhguYXJhbnlhLnYxLlJlZnVzYWxSZWFzb24SDwoHbWVzc2FnZRgCIAEoCSIcCghSZWRpcmVjdBIQCghlbmRwb2ludBgBIAEoCSJrCgtTdHJlYW1Qb2ludBIOCgZzdHJlYW0YASABKA0SEAoIcmVjZWl2ZWQYAiABKAQSDgoGY3JlZGl0GAMgASgEEioKCGNoYW5uZWxzGAQgAygLMhguYXJhbnlhLnYxLkNoYW5uZWxDcmVkaXQiMAoNQ2hhbm5lbENyZWRpdBIPCgdjaGFubmVsGAEgASgNEg4KBmNyZWRpdBgCIAEoBCJCCgRBY2tzEiYKBnBvaW50cxgBIAMoCzIWLmFyYW55YS52MS5TdHJlYW1Qb2ludBISCgpsaW5rX2J5dGVzGAIgASgEIjAKB0dvb2RieWUSDgoGcmVhc29uGAEgASgJEhUKDWluc3RhbmNlX2VuZHMYAiABKAgiIQoOVW5rbm93blN0cmVhbXMSDwoHc3RyZWFtcxgBIAMoDSJOCgRPcGVuEiEKBm1ldGhvZBgBIAEoDjIRLmFyYW55YS52MS5NZXRob2QSDwoHcmVxdWVzdBgCIAEoDBISCgp0aW1lb3V0X21zGAMgASgNIk4KB0ZhaWx1cmUSDAoEY29kZRgBIAEoCRIPCgdtZXNzYWdlGAIgASgJEiQKBGtpbmQYAyABKA4yFi5hcmFueWEudjEuRmFpbHVyZUtpbmQiYAoJQ29uZmlndXJlEhAKCHBvZF9jaWRyGAEgASgJEhsKA2RucxgCIAEoCzIOLmFyYW55YS52MS5EbnMSEQoJbm9kZV9uYW1lGAMgASgJEhEKCWVuZHBvaW50cxgEIAMoCSIfChBSb3RhdGVDcmVkZW50aWFsEgsKA2tleRgBIAEoDCKPAwoFRmFjdHMSCgoCb3MYASABKAkSDAoEYXJjaBgCIAEoCRIWCg5rZXJuZWxfdmVyc2lvbhgDIAEoCRIQCghvc19pbWFnZRgEIAEoCRISCgptYWNoaW5lX2lkGAUgASgJEg8KB2Jvb3RfaWQYBiABKAkSFQoNYWdlbnRfdmVyc2lvbhgHIAEoCRIXCg9ydW50aW1lX3ZlcnNpb24YCCABKAkSFAoMcnVudGltZV9yb290GAkgASgJEhIKCmNwdV9taWxsaXMYCiABKA0SFAoMbWVtb3J5X2J5dGVzGAsgASgEEhUKDXN0b3JhZ2VfYnl0ZXMYDCABKAQSEQoJYWRkcmVzc2VzGA0gAygJEhAKCGhvc3RuYW1lGA4gASgJEigKCmNvbmRpdGlvbnMYDyADKAsyFC5hcmFueWEudjEuQ29uZGl0aW9uEiMKBGhvc3QYECABKAsyFS5hcmFueWEudjEuSG9zdEFjY2VzcxIiCgRwb2RzGBEgASgLMhQuYXJhbnlhLnYxLlBvZEFjY2VzcyJKCglDb25kaXRpb24SDAoEdHlwZRgBIAEoCRIOCgZzdGF0dXMYAiABKAgSDgoGcmVhc29uGAMgASgJEg8KB21lc3NhZ2UYBCABKAkiTgoKSG9zdEFjY2VzcxIMCgRleGVjGAEgASgIEg4KBmF0dGFjaBgCIAEoCBIMCgRsb2dzGAMgASgIEhQKDHBvcnRfZm9yd2FyZBgEIAEoCCJLCglQb2RBY2Nlc3MSEgoKcHJpdmlsZWdlZBgBIAEoCBIRCglob3N0X3BhdGgYAiABKAgSFwoPaG9zdF9uYW1lc3BhY2VzGAMgASgIIv4BCgVTdGF0cxIUCgx0aW1lX3VuaXhfbXMYASABKAMSFwoPY3B1X3RvdGFsX25hbm9zGAIgASgEEiAKGG1lbW9yeV93b3JraW5nX3NldF9ieXRlcxgDIAEoBBIeChZtZW1vcnlfYXZhaWxhYmxlX2J5dGVzGAQgASgEEhoKEnN0b3JhZ2VfdXNlZF9ieXRlcxgFIAEoBBIeChZzdG9yYWdlX2NhcGFjaXR5X2J5dGVzGAYgASgEEhkKEWJvb3RfdGltZV91bml4X21zGAcgASgDEi0KCmNvbnRhaW5lcnMYCCADKAsyGS5hcmFueWEudjEuQ29udGFpbmVyU3RhdHMi1gEKDkNvbnRhaW5lclN0YXRzEg8KB3BvZF91aWQYASABKAkSEQoJY29udGFpbmVyGAIgASgJEhcKD2NwdV90b3RhbF9uYW5vcxgDIAEoBBIgChhtZW1vcnlfd29ya2luZ19zZXRfYnl0ZXMYBCABKAQSGAoQbWVtb3J5X3Jzc19ieXRlcxgFIAEoBBIXCg9zdGFydGVkX3VuaXhfbXMYBiABKAMSGAoQbmV0d29ya19yeF9ieXRlcxgHIAEoBBIYChBuZXR3b3JrX3R4X2J5dGVzGAggASgEIsUFCgdQb2RTcGVjEgsKA3VpZBgBIAEoCRIRCgluYW1lc3BhY2UYAiABKAkSDAoEbmFtZRgDIAEoCRIRCglzcGVjX2hhc2gYBCABKAkSLQoPaW5pdF9jb250YWluZXJzGAUgAygLMhQuYXJhbnlhLnYxLkNvbnRhaW5lchIoCgpjb250YWluZXJzGAYgAygLMhQuYXJhbnlhLnYxLkNvbnRhaW5lchIiCgd2b2x1bWVzGAcgAygLMhEuYXJhbnlhLnYxLlZvbHVtZRIwCg5yZXN0YXJ0X3BvbGljeRgIIAEoDjIYLmFyYW55YS52MS5SZXN0YXJ0UG9saWN5EiEKGXRlcm1pbmF0aW9uX2dyYWNlX3NlY29uZHMYCSABKAMSFAoMaG9zdF9uZXR3b3JrGAogASgIEhAKCGhvc3RfcGlkGAsgASgIEhAKCGhvc3RfaXBjGAwgASgIEhAKCGhvc3RuYW1lGA0gASgJEhsKA2RucxgOIAEoCzIOLmFyYW55YS52MS5EbnMSKgoMaG9zdF9hbGlhc2VzGA8gAygLMhQuYXJhbnlhLnYxLkhvc3RBbGlhcxI7ChRyZWdpc3RyeV9jcmVkZW50aWFscxgQIAMoCzIdLmFyYW55YS52MS5SZWdpc3RyeUNyZWRlbnRpYWwSKAoIc2VjdXJpdHkYESABKAsyFi5hcmFueWEudjEuUG9kU2VjdXJpdHkSHwoXc2hhcmVfcHJvY2Vzc19uYW1lc3BhY2UYEiABKAgSIgoHc3lzY3RscxgTIAMoCzIRLmFyYW55YS52MS5TeXNjdGwSHwoXYWN0aXZlX2RlYWRsaW5lX3NlY29uZHMYFCABKAMSFQoIcHJpb3JpdHkYFSABKAVIAIgBARIhChl0b2xlcmF0ZXNfbWVtb3J5X3ByZXNzdXJlGBYgASgIQgsKCV9wcmlvcml0eSKcBQoJQ29udGFpbmVyEgwKBG5hbWUYASABKAkSDQoFaW1hZ2UYAiABKAkSKgoLcHVsbF9wb2xpY3kYAyABKA4yFS5hcmFueWEudjEuUHVsbFBvbGljeRIPCgdjb21tYW5kGAQgAygJEgwKBGFyZ3MYBSADKAkSEwoLd29ya2luZ19kaXIYBiABKAkSIAoDZW52GAcgAygLMhMuYXJhbnlhLnYxLkVudkVudHJ5EiAKBm1vdW50cxgIIAMoCzIQLmFyYW55YS52MS5Nb3VudBInCglyZXNvdXJjZXMYCSABKAsyFC5hcmFueWEudjEuUmVzb3VyY2VzEi4KCHNlY3VyaXR5GAogASgLMhwuYXJhbnlhLnYxLkNvbnRhaW5lclNlY3VyaXR5Eg0KBXN0ZGluGAsgASgIEhIKCnN0ZGluX29uY2UYDCABKAgSCwoDdHR5GA0gASgIEiAKGHRlcm1pbmF0aW9uX21lc3NhZ2VfcGF0aBgOIAEoCRIsCiR0ZXJtaW5hdGlvbl9tZXNzYWdlX2ZhbGxiYWNrX3RvX2xvZ3MYDyABKAgSJAoIcHJlX3N0b3AYECABKAsyEi5hcmFueWEudjEuSGFuZGxlchImCgpwb3N0X3N0YXJ0GBEgASgLMhIuYXJhbnlhLnYxLkhhbmRsZXISIgoIbGl2ZW5lc3MYEiABKAsyEC5hcmFueWEudjEuUHJvYmUSIwoJcmVhZGluZXNzGBMgASgLMhAuYXJhbnlhLnYxLlByb2JlEiEKB3N0YXJ0dXAYFCABKAsyEC5hcmFueWEudjEuUHJvYmUSIwoHYmxvY2tlZBgVIAEoCzISLmFyYW55YS52MS5CbG9ja2VkEhYKDnJlc3RhcnRfYWx3YXlzGBYgASgIIioKB0Jsb2NrZWQSDgoGcmVhc29uGAEgASgJEg8KB21lc3NhZ2UYAiABKAkiXAoIRW52RW50cnkSDAoEbmFtZRgBIAEoCRINCgV2YWx1ZRgCIAEoCRIiCgVmaWVsZBgDIAEoDjITLmFyYW55YS52MS5FbnZGaWVsZBIPCgdsaXRlcmFsGAQgASgIIl8KBU1vdW50Eg4KBnZvbHVtZRgBIAEoCRIMCgRwYXRoGAIgASgJEhAKCHN1Yl9wYXRoGAMgASgJEhEKCXJlYWRfb25seRgEIAEoCBITCgtwcm9wYWdhdGlvbhgFIAEoCSK3AQoJUmVzb3VyY2VzEhgKEGNwdV9saW1pdF9taWxsaXMYASABKAQSGgoSbWVtb3J5X2xpbWl0X2J5dGVzGAIgASgEEhoKEmNwdV9yZXF1ZXN0X21pbGxpcxgDIAEoBBIcChRtZW1vcnlfcmVxdWVzdF9ieXRlcxgEIAEoBBIbChNzdG9yYWdlX2xpbWl0X2J5dGVzGAUgASgEEh0KFXN0b3JhZ2VfcmVxdWVzdF9ieXRlcxgGIAEoBCJOCgtQb2RTZWN1cml0eRIVCghmc19ncm91cBgBIAEoA0gAiAEBEhsKE3N1cHBsZW1lbnRhbF9ncm91cHMYAiADKANCCwoJX2ZzX2dyb3VwItACChFDb250YWluZXJTZWN1cml0eRIYCgtydW5fYXNfdXNlchgBIAEoA0gAiAEBEhkKDHJ1bl9hc19ncm91cBgCIAEoA0gBiAEBEhcKD3J1bl9hc19ub25fcm9vdBgDIAEoCBISCgpwcml2aWxlZ2VkGAQgASgIEhYKDnJlYWRfb25seV9yb290GAUgASgIEhgKEGFkZF9jYXBhYmlsaXRpZXMYBiADKAkSGQoRZHJvcF9jYXBhYmlsaXRpZXMYByADKAkSJwoaYWxsb3dfcHJpdmlsZWdlX2VzY2FsYXRpb24YCCABKAhIAogBARIPCgdzZWNjb21wGAkgASgJEhIKCnByb2NfbW91bnQYCiABKAlCDgoMX3J1bl9hc191c2VyQg8KDV9ydW5fYXNfZ3JvdXBCHQobX2FsbG93X3ByaXZpbGVnZV9lc2NhbGF0aW9uIsYBCgdIYW5kbGVyEiUKBGV4ZWMYASABKAsyFS5hcmFueWEudjEuRXhlY0FjdGlvbkgAEiUKBGh0dHAYAiABKAsyFS5hcmFueWEudjEuSHR0cEFjdGlvbkgAEiMKA3RjcBgDIAEoCzIULmFyYW55YS52MS5UY3BBY3Rpb25IABIXCg1zbGVlcF9zZWNvbmRzGAQgASgDSAASJQoEZ3JwYxgFIAEoCzIVLmFyYW55YS52MS5HcnBjQWN0aW9uSABCCAoGYWN0aW9uIh0KCkV4ZWNBY3Rpb24SDwoHY29tbWFuZBgBIAMoCSJuCgpIdHRwQWN0aW9uEg4KBnNjaGVtZRgBIAEoCRIMCgRob3N0GAIgASgJEgwKBHBvcnQYAyABKA0SDAoEcGF0aBgEIAEoCRImCgdoZWFkZXJzGAUgAygLMhUuYXJhbnlhLnYxLkh0dHBIZWFkZXIiKQoKSHR0cEhlYWRlchIMCgRuYW1lGAEgASgJEg0KBXZhbHVlGAIgASgJIicKCVRjcEFjdGlvbhIMCgRob3N0GAEgASgJEgwKBHBvcnQYAiABKA0iKwoKR3JwY0FjdGlvbhIMCgRwb3J0GAEgASgNEg8KB3NlcnZpY2UYAiABKAki+AEKBVByb2JlEiMKB2hhbmRsZXIYASABKAsyEi5hcmFueWEudjEuSGFuZGxlchIdChVpbml0aWFsX2RlbGF5X3NlY29uZHMYAiABKA0SFwoPdGltZW91dF9zZWNvbmRzGAMgASgNEhYKDnBlcmlvZF9zZWNvbmRzGAQgASgNEhkKEXN1Y2Nlc3NfdGhyZXNob2xkGAUgASgNEhkKEWZhaWx1cmVfdGhyZXNob2xkGAYgASgNEiYKGXRlcm1pbmF0aW9uX2dyYWNlX3NlY29uZHMYByABKANIAIgBAUIcChpfdGVybWluYXRpb25fZ3JhY2Vfc2Vjb25kcyK8AQoGVm9sdW1lEgwKBG5hbWUYASABKAkSIwoHYmxvY2tlZBgCIAEoCzISLmFyYW55YS52MS5CbG9ja2VkEigKCWVtcHR5X2RpchgDIAEoCzITLmFyYW55YS52MS5FbXB0eURpckgAEigKCWhvc3RfcGF0aBgEIAEoCzITLmFyYW55YS52MS5Ib3N0UGF0aEgAEiEKBWZpbGVzGAUgASgLMhAuYXJhbnlhLnYxLkZpbGVzSABCCAoGc291cmNlIjQKCEVtcHR5RGlyEg4KBm1lbW9yeRgBIAEoCBIYChBzaXplX2xpbWl0X2J5dGVzGAIgASgEIiYKCEhvc3RQYXRoEgwKBHBhdGgYASABKAkSDAoEdHlwZRgCIAEoCSI3CgVGaWxlcxIeCgVmaWxlcxgBIAMoCzIPLmFyYW55YS52MS5GaWxlEg4KBnNlY3JldBgCIAEoCCKFAQoERmlsZRIMCgRwYXRoGAEgASgJEg4KBnNoYTI1NhgCIAEoCRISCgpzaXplX2J5dGVzGAMgASgEEgwKBG1vZGUYBCABKA0SEAoDdWlkGAUgASgDSACIAQESIwoFdG9rZW4YBiABKAsyFC5hcmFueWEudjEuRmlsZVRva2VuQgYKBF91aWQiaQoJRmlsZVRva2VuEhAKCGF1ZGllbmNlGAEgASgJEhoKEmV4cGlyYXRpb25fc2Vjb25kcxgCIAEoAxIXCg9leHBpcmVzX3VuaXhfbXMYAyABKAMSFQoNcmVuZXdfdW5peF9tcxgEIAEoAyI5CgNEbnMSDwoHc2VydmVycxgBIAMoCRIQCghzZWFyY2hlcxgCIAMoCRIPCgdvcHRpb25zGAMgAygJIiYKCUhvc3RBbGlhcxIKCgJpcBgBIAEoCRINCgVuYW1lcxgCIAMoCSIlCgZTeXNjdGwSDAoEbmFtZRgBIAEoCRINCgV2YWx1ZRgCIAEoCSJiChJSZWdpc3RyeUNyZWRlbnRpYWwSEAoIcmVnaXN0cnkYASABKAkSEAoIdXNlcm5hbWUYAiABKAkSEAoIcGFzc3dvcmQYAyABKAkSFgoOaWRlbnRpdHlfdG9rZW4YBCABKAkiPAoOQXBwbHlQb2RSZXN1bHQSKgoJcmVqZWN0aW9uGAEgASgLMhcuYXJhbnlhLnYxLlBvZFJlamVjdGlvbiIvCgxQb2RSZWplY3Rpb24SDgoGcmVhc29uGAEgASgJEg8KB21lc3NhZ2UYAiABKAkiLwoJUmVtb3ZlUG9kEgsKA3VpZBgBIAEoCRIVCg1ncmFjZV9zZWNvbmRzGAIgASgDIhcKCFB1cmdlUG9kEgsKA3VpZBgBIAEoCSItCgpGZXRjaEJsb2JzEg8KB3BvZF91aWQYASABKAkSDgoGc2hhMjU2GAIgAygJIhkKBUJsb2JzEhAKCGNvbnRlbnRzGAEgAygMIjMKDVBvZFN0YXR1c0xpc3QSIgoEcG9kcxgBIAMoCzIULmFyYW55YS52MS5Qb2RTdGF0dXMirQMKCVBvZFN0YXR1cxILCgN1aWQYASABKAkSEQoJbmFtZXNwYWNlGAIgASgJEgwKBG5hbWUYAyABKAkSEQoJc3BlY19oYXNoGAQgASgJEjMKD2luaXRfY29udGFpbmVycxgFIAMoCzIaLmFyYW55YS52MS5Db250YWluZXJTdGF0dXMSLgoKY29udGFpbmVycxgGIAMoCzIaLmFyYW55YS52MS5Db250YWluZXJTdGF0dXMSDwoHcG9kX2lwcxgHIAMoCRIQCghob3N0X2lwcxgIIAMoCRIVCg1zYW5kYm94X3JlYWR5GAkgASgIEhAKCHJlbW92aW5nGAogASgIEhIKCnRlcm1pbmF0ZWQYCyABKAgSFwoPc3RhcnRlZF91bml4X21zGAwgASgDEhYKDmZhaWx1cmVfcmVhc29uGA0gASgJEhcKD2ZhaWx1cmVfbWVzc2FnZRgOIAEoCRIPCgd2ZXJzaW9uGA8gASgEEiQKC3Rva2VuX2ZpbGVzGBAgAygLMg8uYXJhbnlhLnYxLkZpbGUSGQoRZGlzcnVwdGlvbl90YXJnZXQYESABKAgi6wEKD0NvbnRhaW5lclN0YXR1cxIMCgRuYW1lGAEgASgJEigKBXN0YXRlGAIgASgLMhkuYXJhbnlhLnYxLkNvbnRhaW5lclN0YXRlEjIKD2xhc3RfdGVybWluYXRlZBgDIAEoCzIZLmFyYW55YS52MS5Db250YWluZXJTdGF0ZRIVCg1yZXN0YXJ0X2NvdW50GAQgASgNEhQKDGNvbnRhaW5lcl9pZBgFIAEoCRINCgVpbWFnZRgGIAEoCRIQCghpbWFnZV9pZBgHIAEoCRINCgVyZWFkeRgIIAEoCBIPCgdzdGFydGVkGAkgASgIIpQBCg5Db250YWluZXJTdGF0ZRIlCgd3YWl0aW5nGAEgASgLMhIuYXJhbnlhLnYxLldhaXRpbmdIABIlCgdydW5uaW5nGAIgASgLMhIuYXJhbnlhLnYxLlJ1bm5pbmdIABIrCgp0ZXJtaW5hdGVkGAMgASgLMhUuYXJhbnlhLnYxLlRlcm1pbmF0ZWRIAEIHCgVzdGF0ZSIqCgdXYWl0aW5nEg4KBnJlYXNvbhgBIAEoCRIPCgdtZXNzYWdlGAIgASgJIiIKB1J1bm5pbmcSFwoPc3RhcnRlZF91bml4X21zGAEgASgDIpkBCgpUZXJtaW5hdGVkEhEKCWV4aXRfY29kZRgBIAEoBRIOCgZzaWduYWwYAiABKAUSDgoGcmVhc29uGAMgASgJEg8KB21lc3NhZ2UYBCABKAkSFwoPc3RhcnRlZF91bml4X21zGAUgASgDEhgKEGZpbmlzaGVkX3VuaXhfbXMYBiABKAMSFAoMY29udGFpbmVyX2lkGAcgASgJIi0KCUV2ZW50TGlzdBIgCgZldmVudHMYASADKAsyEC5hcmFueWEudjEuRXZlbnQicwoFRXZlbnQSDwoHcG9kX3VpZBgBIAEoCRIRCgljb250YWluZXIYAiABKAkSDwoHd2FybmluZxgDIAEoCBIOCgZyZWFzb24YBCABKAkSDwoHbWVzc2FnZRgFIAEoCRIUCgx0aW1lX3VuaXhfbXMYBiABKAMiOQoGVGFyZ2V0Eg8KB3BvZF91aWQYASABKAkSEQoJY29udGFpbmVyGAIgASgJEgsKA3BvZBgDIAEoCSKXAQoERXhlYxIhCgZ0YXJnZXQYASABKAsyES5hcmFueWEudjEuVGFyZ2V0Eg8KB2NvbW1hbmQYAiADKAkSDQoFc3RkaW4YAyABKAgSDgoGc3Rkb3V0GAQgASgIEg4KBnN0ZGVychgFIAEoCBILCgN0dHkYBiABKAgSHwoEc2l6ZRgHIAEoCzIRLmFyYW55YS52MS5SZXNpemUiZwoGQXR0YWNoEiEKBnRhcmdldBgBIAEoCzIRLmFyYW55YS52MS5UYXJnZXQSDQoFc3RkaW4YAiABKAgSDgoGc3Rkb3V0GAMgASgIEg4KBnN0ZGVychgEIAEoCBILCgN0dHkYBSABKAgiJwoGUmVzaXplEg0KBXdpZHRoGAEgASgNEg4KBmhlaWdodBgCIAEoDSI7CgpFeGl0U3RhdHVzEgwKBGNvZGUYASABKAUSDgoGcmVhc29uGAIgASgJEg8KB21lc3NhZ2UYAyABKAki8wEKBExvZ3MSIQoGdGFyZ2V0GAEgASgLMhEuYXJhbnlhLnYxLlRhcmdldBIOCgZmb2xsb3cYAiABKAgSEAoIcHJldmlvdXMYAyABKAgSEgoKdGltZXN0YW1wcxgEIAEoCBIXCgp0YWlsX2xpbmVzGAUgASgDSACIAQESGAoLbGltaXRfYnl0ZXMYBiABKANIAYgBARIaCg1zaW5jZV9zZWNvbmRzGAcgASgDSAKIAQESEgoKc2luY2VfdGltZRgIIAEoCUINCgtfdGFpbF9saW5lc0IOCgxfbGltaXRfYnl0ZXNCEAoOX3NpbmNlX3NlY29uZHMiPgoLUG9ydEZvcndhcmQSIQoGdGFyZ2V0GAEgASgLMhEuYXJhbnlhLnYxLlRhcmdldBIMCgRwb3J0GAIgASgNKvQBCg1SZWZ1c2FsUmVhc29uEh4KGlJFRlVTQUxfUkVBU09OX1VOU1BFQ0lGSUVEEAASIQodUkVGVVNBTF9SRUFTT05fVU5LTk9XTl9ERVZJQ0UQARIhCh1SRUZVU0FMX1JFQVNPTl9CQURfQ1JFREVOVElBTBACEhoKFlJFRlVTQUxfUkVBU09OX1ZFUlNJT04QAxIjCh9SRUZVU0FMX1JFQVNPTl9EVVBMSUNBVEVfREVWSUNFEAQSHQoZUkVGVVNBTF9SRUFTT05fTk9UX0xFQURFUhAFEh0KGVJFRlVTQUxfUkVBU09OX09WRVJMT0FERUQQBir8AgoMRW52ZWxvcGVLaW5kEh0KGUVOVkVMT1BFX0tJTkRfVU5TUEVDSUZJRUQQABIXChNFTlZFTE9QRV9LSU5EX0hFTExPEAESHQoZRU5WRUxPUEVfS0lORF9IRUxMT19SRVBMWRACEhYKEkVOVkVMT1BFX0tJTkRfUElORxADEhYKEkVOVkVMT1BFX0tJTkRfUE9ORxAEEhUKEUVOVkVMT1BFX0tJTkRfQUNLEAUSGQoVRU5WRUxPUEVfS0lORF9HT09EQllFEAYSFgoSRU5WRUxPUEVfS0lORF9QQVJUEAcSIQodRU5WRUxPUEVfS0lORF9VTktOT1dOX1NUUkVBTVMQCBIWChJFTlZFTE9QRV9LSU5EX09QRU4QEBIWChJFTlZFTE9QRV9LSU5EX0RBVEEQERIVChFFTlZFTE9QRV9LSU5EX0VORBASEhgKFEVOVkVMT1BFX0tJTkRfUkVTVUxUEBMSFwoTRU5WRUxPUEVfS0lORF9SRVNFVBAUKvQCCgZNZXRob2QSFgoSTUVUSE9EX1VOU1BFQ0lGSUVEEAASFAoQTUVUSE9EX0NPTkZJR1VSRRABEhQKEE1FVEhPRF9MSVNUX1BPRFMQAhIUChBNRVRIT0RfQVBQTFlfUE9EEAMSFQoRTUVUSE9EX1JFTU9WRV9QT0QQBBIcChhNRVRIT0RfUk9UQVRFX0NSRURFTlRJQUwQBRIUChBNRVRIT0RfR0VUX1NUQVRTEAYSFAoQTUVUSE9EX1BVUkdFX1BPRBAHEg8KC01FVEhPRF9FWEVDEBASEQoNTUVUSE9EX0FUVEFDSBAREg8KC01FVEhPRF9MT0dTEBISFwoTTUVUSE9EX1BPUlRfRk9SV0FSRBATEhcKE01FVEhPRF9SRVBPUlRfRkFDVFMQIBIWChJNRVRIT0RfUkVQT1JUX1BPRFMQIRIYChRNRVRIT0RfUkVQT1JUX0VWRU5UUxAiEhYKEk1FVEhPRF9GRVRDSF9CTE9CUxAjKp0BCgtGYWlsdXJlS2luZBIXChNGQUlMVVJFX0tJTkRfQ09NTU9OEAASGgoWRkFJTFVSRV9LSU5EX05PVF9GT1VORBABEh8KG0ZBSUxVUkVfS0lORF9BTFJFQURZX0VYSVNUUxACEh4KGkZBSUxVUkVfS0lORF9OT1RfU1VQUE9SVEVEEAMSGAoURkFJTFVSRV9LSU5EX1RJTUVPVVQQBCpjCg1SZXN0YXJ0UG9saWN5EhkKFVJFU1RBUlRfUE9MSUNZX0FMV0FZUxAAEh0KGVJFU1RBUlRfUE9MSUNZX09OX0ZBSUxVUkUQARIYChRSRVNUQVJUX1BPTElDWV9ORVZFUhACKlsKClB1bGxQb2xpY3kSHgoaUFVMTF9QT0xJQ1lfSUZfTk9UX1BSRVNFTlQQABIWChJQVUxMX1BPTElDWV9BTFdBWVMQARIVChFQVUxMX1BPTElDWV9ORVZFUhACKnoKCEVudkZpZWxkEhIKDkVOVl9GSUVMRF9OT05FEAASFAoQRU5WX0ZJRUxEX1BPRF9JUBABEhUKEUVOVl9GSUVMRF9QT0RfSVBTEAISFQoRRU5WX0ZJRUxEX0hPU1RfSVAQAxIWChJFTlZfRklFTERfSE9TVF9JUFMQBGIGcHJvdG8z");

/**
 * @generated from message aranya.v1.HandshakeInit
 */
export type HandshakeInit = Message$1<"aranya.v1.HandshakeInit"> & {
  /**
   * @generated from field: string device = 1;
   */
  device: string;

  /**
   * @generated from field: uint32 framing_version = 2;
   */
  framingVersion: number;

  /**
   * Noise message 1: psk, e
   *
   * @generated from field: bytes noise = 3;
   */
  noise: Uint8Array;
};

/**
 * Describes the message aranya.v1.HandshakeInit.
 * Use `create(HandshakeInitSchema)` to create a new message.
 */
export const HandshakeInitSchema: GenMessage<HandshakeInit> = /*@__PURE__*/
  messageDesc(file_aranya, 0);

/**
 * @generated from message aranya.v1.HandshakeReply
 */
export type HandshakeReply = Message$1<"aranya.v1.HandshakeReply"> & {
  /**
   * Noise message 2: e, ee
   *
   * @generated from field: bytes noise = 1;
   */
  noise: Uint8Array;
};

/**
 * Describes the message aranya.v1.HandshakeReply.
 * Use `create(HandshakeReplySchema)` to create a new message.
 */
export const HandshakeReplySchema: GenMessage<HandshakeReply> = /*@__PURE__*/
  messageDesc(file_aranya, 1);

/**
 * @generated from message aranya.v1.HandshakeRefusal
 */
export type HandshakeRefusal = Message$1<"aranya.v1.HandshakeRefusal"> & {
  /**
   * @generated from field: aranya.v1.RefusalReason reason = 1;
   */
  reason: RefusalReason;

  /**
   * @generated from field: string message = 2;
   */
  message: string;

  /**
   * with NOT_LEADER: "host:port" of the operator that leads; may be empty
   *
   * @generated from field: string endpoint = 3;
   */
  endpoint: string;
};

/**
 * Describes the message aranya.v1.HandshakeRefusal.
 * Use `create(HandshakeRefusalSchema)` to create a new message.
 */
export const HandshakeRefusalSchema: GenMessage<HandshakeRefusal> = /*@__PURE__*/
  messageDesc(file_aranya, 2);

/**
 * Envelope from the operator to the device.
 *
 * @generated from message aranya.v1.Command
 */
export type Command = Message$1<"aranya.v1.Command"> & {
  /**
   * EnvelopeKind; the receiver logs and skips unknown kinds
   *
   * @generated from field: uint32 kind = 1;
   */
  kind: number;

  /**
   * 0: link control; odd: opened by the operator; even: opened by the agent
   *
   * @generated from field: uint32 stream = 2;
   */
  stream: number;

  /**
   * position of this envelope in the sequence space of its stream
   *
   * @generated from field: uint64 sequence = 3;
   */
  sequence: bigint;

  /**
   * last piece of a value; a large value is sent in several envelopes
   *
   * @generated from field: bool complete = 4;
   */
  complete: boolean;

  /**
   * @generated from field: bytes payload = 5;
   */
  payload: Uint8Array;
};

/**
 * Describes the message aranya.v1.Command.
 * Use `create(CommandSchema)` to create a new message.
 */
export const CommandSchema: GenMessage<Command> = /*@__PURE__*/
  messageDesc(file_aranya, 3);

/**
 * Envelope from the device to the operator; same fields as Command.
 *
 * @generated from message aranya.v1.Message
 */
export type Message = Message$1<"aranya.v1.Message"> & {
  /**
   * @generated from field: uint32 kind = 1;
   */
  kind: number;

  /**
   * @generated from field: uint32 stream = 2;
   */
  stream: number;

  /**
   * @generated from field: uint64 sequence = 3;
   */
  sequence: bigint;

  /**
   * @generated from field: bool complete = 4;
   */
  complete: boolean;

  /**
   * @generated from field: bytes payload = 5;
   */
  payload: Uint8Array;
};

/**
 * Describes the message aranya.v1.Message.
 * Use `create(MessageSchema)` to create a new message.
 */
export const MessageSchema: GenMessage<Message> = /*@__PURE__*/
  messageDesc(file_aranya, 4);

/**
 * First packet from the agent on every link.
 *
 * @generated from message aranya.v1.Hello
 */
export type Hello = Message$1<"aranya.v1.Hello"> & {
  /**
   * @generated from field: uint32 protocol_version = 1;
   */
  protocolVersion: number;

  /**
   * @generated from field: repeated string capabilities = 2;
   */
  capabilities: string[];

  /**
   * @generated from field: string agent_version = 3;
   */
  agentVersion: string;

  /**
   * @generated from field: string machine_id = 4;
   */
  machineId: string;

  /**
   * @generated from field: string boot_id = 5;
   */
  bootId: string;

  /**
   * random; identifies this process
   *
   * @generated from field: bytes instance_id = 6;
   */
  instanceId: Uint8Array;

  /**
   * operator process of the last link; empty before the first
   *
   * @generated from field: bytes peer_instance_id = 7;
   */
  peerInstanceId: Uint8Array;

  /**
   * what the agent has received, per open stream
   *
   * @generated from field: repeated aranya.v1.StreamPoint resume = 8;
   */
  resume: StreamPoint[];

  /**
   * lowest supported; 0: same as protocol_version
   *
   * @generated from field: uint32 min_protocol_version = 9;
   */
  minProtocolVersion: number;
};

/**
 * Describes the message aranya.v1.Hello.
 * Use `create(HelloSchema)` to create a new message.
 */
export const HelloSchema: GenMessage<Hello> = /*@__PURE__*/
  messageDesc(file_aranya, 5);

/**
 * First packet from the operator: its reply to Hello.
 *
 * @generated from message aranya.v1.HelloReply
 */
export type HelloReply = Message$1<"aranya.v1.HelloReply"> & {
  /**
   * @generated from oneof aranya.v1.HelloReply.outcome
   */
  outcome: {
    /**
     * @generated from field: aranya.v1.Welcome welcome = 1;
     */
    value: Welcome;
    case: "welcome";
  } | {
    /**
     * @generated from field: aranya.v1.Refused refused = 2;
     */
    value: Refused;
    case: "refused";
  } | {
    /**
     * @generated from field: aranya.v1.Redirect redirect = 3;
     */
    value: Redirect;
    case: "redirect";
  } | { case: undefined; value?: undefined };
};

/**
 * Describes the message aranya.v1.HelloReply.
 * Use `create(HelloReplySchema)` to create a new message.
 */
export const HelloReplySchema: GenMessage<HelloReply> = /*@__PURE__*/
  messageDesc(file_aranya, 6);

/**
 * @generated from message aranya.v1.Welcome
 */
export type Welcome = Message$1<"aranya.v1.Welcome"> & {
  /**
   * @generated from field: uint32 protocol_version = 1;
   */
  protocolVersion: number;

  /**
   * @generated from field: repeated string capabilities = 2;
   */
  capabilities: string[];

  /**
   * @generated from field: string operator_version = 3;
   */
  operatorVersion: string;

  /**
   * @generated from field: bytes instance_id = 4;
   */
  instanceId: Uint8Array;

  /**
   * false: streams of earlier links are lost
   *
   * @generated from field: bool resumed = 5;
   */
  resumed: boolean;

  /**
   * @generated from field: repeated aranya.v1.StreamPoint resume = 6;
   */
  resume: StreamPoint[];

  /**
   * for devices without a real-time clock
   *
   * @generated from field: int64 time_unix_ms = 7;
   */
  timeUnixMs: bigint;

  /**
   * either side closes the link after this much silence
   *
   * @generated from field: uint32 offline_after_ms = 8;
   */
  offlineAfterMs: number;
};

/**
 * Describes the message aranya.v1.Welcome.
 * Use `create(WelcomeSchema)` to create a new message.
 */
export const WelcomeSchema: GenMessage<Welcome> = /*@__PURE__*/
  messageDesc(file_aranya, 7);

/**
 * The agent is authenticated and not accepted: BAD_CREDENTIAL if its key was replaced since the
 * handshake, DUPLICATE_DEVICE, VERSION, OVERLOADED for what may pass. It tries again later.
 *
 * @generated from message aranya.v1.Refused
 */
export type Refused = Message$1<"aranya.v1.Refused"> & {
  /**
   * @generated from field: aranya.v1.RefusalReason reason = 1;
   */
  reason: RefusalReason;

  /**
   * @generated from field: string message = 2;
   */
  message: string;
};

/**
 * Describes the message aranya.v1.Refused.
 * Use `create(RefusedSchema)` to create a new message.
 */
export const RefusedSchema: GenMessage<Refused> = /*@__PURE__*/
  messageDesc(file_aranya, 8);

/**
 * The agent connects to another operator instead, following up to 4 redirects in a row. It keeps
 * its own list of endpoints.
 *
 * @generated from message aranya.v1.Redirect
 */
export type Redirect = Message$1<"aranya.v1.Redirect"> & {
  /**
   * "host:port"
   *
   * @generated from field: string endpoint = 1;
   */
  endpoint: string;
};

/**
 * Describes the message aranya.v1.Redirect.
 * Use `create(RedirectSchema)` to create a new message.
 */
export const RedirectSchema: GenMessage<Redirect> = /*@__PURE__*/
  messageDesc(file_aranya, 9);

/**
 * How far the sender of this message has received one stream.
 *
 * @generated from message aranya.v1.StreamPoint
 */
export type StreamPoint = Message$1<"aranya.v1.StreamPoint"> & {
  /**
   * @generated from field: uint32 stream = 1;
   */
  stream: number;

  /**
   * sequence position up to which everything was received
   *
   * @generated from field: uint64 received = 2;
   */
  received: bigint;

  /**
   * sequence position up to which the peer may send
   *
   * @generated from field: uint64 credit = 3;
   */
  credit: bigint;

  /**
   * @generated from field: repeated aranya.v1.ChannelCredit channels = 4;
   */
  channels: ChannelCredit[];
};

/**
 * Describes the message aranya.v1.StreamPoint.
 * Use `create(StreamPointSchema)` to create a new message.
 */
export const StreamPointSchema: GenMessage<StreamPoint> = /*@__PURE__*/
  messageDesc(file_aranya, 10);

/**
 * @generated from message aranya.v1.ChannelCredit
 */
export type ChannelCredit = Message$1<"aranya.v1.ChannelCredit"> & {
  /**
   * @generated from field: uint32 channel = 1;
   */
  channel: number;

  /**
   * total cost of DATA that the peer may send on this channel
   *
   * @generated from field: uint64 credit = 2;
   */
  credit: bigint;
};

/**
 * Describes the message aranya.v1.ChannelCredit.
 * Use `create(ChannelCreditSchema)` to create a new message.
 */
export const ChannelCreditSchema: GenMessage<ChannelCredit> = /*@__PURE__*/
  messageDesc(file_aranya, 11);

/**
 * @generated from message aranya.v1.Acks
 */
export type Acks = Message$1<"aranya.v1.Acks"> & {
  /**
   * @generated from field: repeated aranya.v1.StreamPoint points = 1;
   */
  points: StreamPoint[];

  /**
   * Bytes of packets received on this link. Packets of stream 0 don't count, except PARTs.
   *
   * @generated from field: uint64 link_bytes = 2;
   */
  linkBytes: bigint;
};

/**
 * Describes the message aranya.v1.Acks.
 * Use `create(AcksSchema)` to create a new message.
 */
export const AcksSchema: GenMessage<Acks> = /*@__PURE__*/
  messageDesc(file_aranya, 12);

/**
 * @generated from message aranya.v1.Goodbye
 */
export type Goodbye = Message$1<"aranya.v1.Goodbye"> & {
  /**
   * A sentence for log and status of the receiver, which uses up to 300 characters of it.
   *
   * @generated from field: string reason = 1;
   */
  reason: string;

  /**
   * the sender's streams will not be resumed, e.g. because it exits
   *
   * @generated from field: bool instance_ends = 2;
   */
  instanceEnds: boolean;
};

/**
 * Describes the message aranya.v1.Goodbye.
 * Use `create(GoodbyeSchema)` to create a new message.
 */
export const GoodbyeSchema: GenMessage<Goodbye> = /*@__PURE__*/
  messageDesc(file_aranya, 13);

/**
 * The sender doesn't know these streams, or no longer does. The receiver ends them: as finished if
 * it has sent its last envelope, else as failed.
 *
 * @generated from message aranya.v1.UnknownStreams
 */
export type UnknownStreams = Message$1<"aranya.v1.UnknownStreams"> & {
  /**
   * @generated from field: repeated uint32 streams = 1;
   */
  streams: number[];
};

/**
 * Describes the message aranya.v1.UnknownStreams.
 * Use `create(UnknownStreamsSchema)` to create a new message.
 */
export const UnknownStreamsSchema: GenMessage<UnknownStreams> = /*@__PURE__*/
  messageDesc(file_aranya, 14);

/**
 * @generated from message aranya.v1.Open
 */
export type Open = Message$1<"aranya.v1.Open"> & {
  /**
   * @generated from field: aranya.v1.Method method = 1;
   */
  method: Method;

  /**
   * @generated from field: bytes request = 2;
   */
  request: Uint8Array;

  /**
   * the opener waits this long for RESULT; 0: no limit
   *
   * @generated from field: uint32 timeout_ms = 3;
   */
  timeoutMs: number;
};

/**
 * Describes the message aranya.v1.Open.
 * Use `create(OpenSchema)` to create a new message.
 */
export const OpenSchema: GenMessage<Open> = /*@__PURE__*/
  messageDesc(file_aranya, 15);

/**
 * An error, with a code of docs/errors.md.
 *
 * @generated from message aranya.v1.Failure
 */
export type Failure = Message$1<"aranya.v1.Failure"> & {
  /**
   * ErrorCode of lib/shared/base/errors.ts
   *
   * @generated from field: string code = 1;
   */
  code: string;

  /**
   * @generated from field: string message = 2;
   */
  message: string;

  /**
   * @generated from field: aranya.v1.FailureKind kind = 3;
   */
  kind: FailureKind;
};

/**
 * Describes the message aranya.v1.Failure.
 * Use `create(FailureSchema)` to create a new message.
 */
export const FailureSchema: GenMessage<Failure> = /*@__PURE__*/
  messageDesc(file_aranya, 16);

/**
 * @generated from message aranya.v1.Configure
 */
export type Configure = Message$1<"aranya.v1.Configure"> & {
  /**
   * range of the Docker network for this device's pods
   *
   * @generated from field: string pod_cidr = 1;
   */
  podCidr: string;

  /**
   * for pods without PodSpec.dns
   *
   * @generated from field: aranya.v1.Dns dns = 2;
   */
  dns?: Dns | undefined;

  /**
   * @generated from field: string node_name = 3;
   */
  nodeName: string;

  /**
   * "host:port" of every operator that may lead, for agent.yaml; empty: as they are. At most 32.
   *
   * @generated from field: repeated string endpoints = 4;
   */
  endpoints: string[];
};

/**
 * Describes the message aranya.v1.Configure.
 * Use `create(ConfigureSchema)` to create a new message.
 */
export const ConfigureSchema: GenMessage<Configure> = /*@__PURE__*/
  messageDesc(file_aranya, 17);

/**
 * @generated from message aranya.v1.RotateCredential
 */
export type RotateCredential = Message$1<"aranya.v1.RotateCredential"> & {
  /**
   * 32 bytes. The operator has stored it before it sends it, and accepts both keys until an agent
   * was welcomed with this one. The agent stores it durably before it responds; it keeps the
   * previous one until it was welcomed with this one, for which it connects anew within seconds,
   * but no longer than an hour after the rotation or its own start. A link that was made with the
   * previous one is ended then; over such a link this request is refused as "unauthorized".
   *
   * @generated from field: bytes key = 1;
   */
  key: Uint8Array;
};

/**
 * Describes the message aranya.v1.RotateCredential.
 * Use `create(RotateCredentialSchema)` to create a new message.
 */
export const RotateCredentialSchema: GenMessage<RotateCredential> = /*@__PURE__*/
  messageDesc(file_aranya, 18);

/**
 * What the device reports about itself: once after every hello, then when something has changed.
 *
 * @generated from message aranya.v1.Facts
 */
export type Facts = Message$1<"aranya.v1.Facts"> & {
  /**
   * @generated from field: string os = 1;
   */
  os: string;

  /**
   * GOARCH: amd64, arm64, arm
   *
   * @generated from field: string arch = 2;
   */
  arch: string;

  /**
   * @generated from field: string kernel_version = 3;
   */
  kernelVersion: string;

  /**
   * @generated from field: string os_image = 4;
   */
  osImage: string;

  /**
   * @generated from field: string machine_id = 5;
   */
  machineId: string;

  /**
   * @generated from field: string boot_id = 6;
   */
  bootId: string;

  /**
   * @generated from field: string agent_version = 7;
   */
  agentVersion: string;

  /**
   * e.g. docker://20.10.24
   *
   * @generated from field: string runtime_version = 8;
   */
  runtimeVersion: string;

  /**
   * @generated from field: string runtime_root = 9;
   */
  runtimeRoot: string;

  /**
   * @generated from field: uint32 cpu_millis = 10;
   */
  cpuMillis: number;

  /**
   * @generated from field: uint64 memory_bytes = 11;
   */
  memoryBytes: bigint;

  /**
   * @generated from field: uint64 storage_bytes = 12;
   */
  storageBytes: bigint;

  /**
   * IP addresses of the device itself, preferred first; an agent sends at most 16 of each family
   *
   * @generated from field: repeated string addresses = 13;
   */
  addresses: string[];

  /**
   * @generated from field: string hostname = 14;
   */
  hostname: string;

  /**
   * MemoryPressure, DiskPressure, PIDPressure, RuntimeReady
   *
   * @generated from field: repeated aranya.v1.Condition conditions = 15;
   */
  conditions: Condition[];

  /**
   * @generated from field: aranya.v1.HostAccess host = 16;
   */
  host?: HostAccess | undefined;

  /**
   * absent: everything is allowed
   *
   * @generated from field: aranya.v1.PodAccess pods = 17;
   */
  pods?: PodAccess | undefined;
};

/**
 * Describes the message aranya.v1.Facts.
 * Use `create(FactsSchema)` to create a new message.
 */
export const FactsSchema: GenMessage<Facts> = /*@__PURE__*/
  messageDesc(file_aranya, 19);

/**
 * @generated from message aranya.v1.Condition
 */
export type Condition = Message$1<"aranya.v1.Condition"> & {
  /**
   * @generated from field: string type = 1;
   */
  type: string;

  /**
   * @generated from field: bool status = 2;
   */
  status: boolean;

  /**
   * @generated from field: string reason = 3;
   */
  reason: string;

  /**
   * @generated from field: string message = 4;
   */
  message: string;
};

/**
 * Describes the message aranya.v1.Condition.
 * Use `create(ConditionSchema)` to create a new message.
 */
export const ConditionSchema: GenMessage<Condition> = /*@__PURE__*/
  messageDesc(file_aranya, 20);

/**
 * What the owner of the device allows on the host itself.
 *
 * @generated from message aranya.v1.HostAccess
 */
export type HostAccess = Message$1<"aranya.v1.HostAccess"> & {
  /**
   * @generated from field: bool exec = 1;
   */
  exec: boolean;

  /**
   * @generated from field: bool attach = 2;
   */
  attach: boolean;

  /**
   * @generated from field: bool logs = 3;
   */
  logs: boolean;

  /**
   * @generated from field: bool port_forward = 4;
   */
  portForward: boolean;
};

/**
 * Describes the message aranya.v1.HostAccess.
 * Use `create(HostAccessSchema)` to create a new message.
 */
export const HostAccessSchema: GenMessage<HostAccess> = /*@__PURE__*/
  messageDesc(file_aranya, 21);

/**
 * What the owner of the device allows pods to do to the host. The agent refuses ApplyPod of any other
 * pod with code "forbidden", and fails a pod that it has accepted earlier with failure_reason
 * "ForbiddenByDevice". Which pods need what: lib/shared/admission.
 *
 * @generated from message aranya.v1.PodAccess
 */
export type PodAccess = Message$1<"aranya.v1.PodAccess"> & {
  /**
   * Also capabilities and sysctls beyond the baseline policy of the Pod Security Standards,
   * unconfined seccomp, unmasked /proc, and mounts with propagation "rshared".
   *
   * @generated from field: bool privileged = 1;
   */
  privileged: boolean;

  /**
   * @generated from field: bool host_path = 2;
   */
  hostPath: boolean;

  /**
   * network, PID and IPC; also a host in an HttpAction or TcpAction
   *
   * @generated from field: bool host_namespaces = 3;
   */
  hostNamespaces: boolean;
};

/**
 * Describes the message aranya.v1.PodAccess.
 * Use `create(PodAccessSchema)` to create a new message.
 */
export const PodAccessSchema: GenMessage<PodAccess> = /*@__PURE__*/
  messageDesc(file_aranya, 22);

/**
 * @generated from message aranya.v1.Stats
 */
export type Stats = Message$1<"aranya.v1.Stats"> & {
  /**
   * @generated from field: int64 time_unix_ms = 1;
   */
  timeUnixMs: bigint;

  /**
   * of the whole device, since boot
   *
   * @generated from field: uint64 cpu_total_nanos = 2;
   */
  cpuTotalNanos: bigint;

  /**
   * @generated from field: uint64 memory_working_set_bytes = 3;
   */
  memoryWorkingSetBytes: bigint;

  /**
   * @generated from field: uint64 memory_available_bytes = 4;
   */
  memoryAvailableBytes: bigint;

  /**
   * @generated from field: uint64 storage_used_bytes = 5;
   */
  storageUsedBytes: bigint;

  /**
   * @generated from field: uint64 storage_capacity_bytes = 6;
   */
  storageCapacityBytes: bigint;

  /**
   * @generated from field: int64 boot_time_unix_ms = 7;
   */
  bootTimeUnixMs: bigint;

  /**
   * @generated from field: repeated aranya.v1.ContainerStats containers = 8;
   */
  containers: ContainerStats[];
};

/**
 * Describes the message aranya.v1.Stats.
 * Use `create(StatsSchema)` to create a new message.
 */
export const StatsSchema: GenMessage<Stats> = /*@__PURE__*/
  messageDesc(file_aranya, 23);

/**
 * @generated from message aranya.v1.ContainerStats
 */
export type ContainerStats = Message$1<"aranya.v1.ContainerStats"> & {
  /**
   * @generated from field: string pod_uid = 1;
   */
  podUid: string;

  /**
   * @generated from field: string container = 2;
   */
  container: string;

  /**
   * @generated from field: uint64 cpu_total_nanos = 3;
   */
  cpuTotalNanos: bigint;

  /**
   * @generated from field: uint64 memory_working_set_bytes = 4;
   */
  memoryWorkingSetBytes: bigint;

  /**
   * @generated from field: uint64 memory_rss_bytes = 5;
   */
  memoryRssBytes: bigint;

  /**
   * @generated from field: int64 started_unix_ms = 6;
   */
  startedUnixMs: bigint;

  /**
   * of the pod's network namespace
   *
   * @generated from field: uint64 network_rx_bytes = 7;
   */
  networkRxBytes: bigint;

  /**
   * @generated from field: uint64 network_tx_bytes = 8;
   */
  networkTxBytes: bigint;
};

/**
 * Describes the message aranya.v1.ContainerStats.
 * Use `create(ContainerStatsSchema)` to create a new message.
 */
export const ContainerStatsSchema: GenMessage<ContainerStats> = /*@__PURE__*/
  messageDesc(file_aranya, 24);

/**
 * A pod in the form that the device needs: the operator has resolved all references; the agent
 * expands `$(VAR)`.
 *
 * @generated from message aranya.v1.PodSpec
 */
export type PodSpec = Message$1<"aranya.v1.PodSpec"> & {
  /**
   * @generated from field: string uid = 1;
   */
  uid: string;

  /**
   * @generated from field: string namespace = 2;
   */
  namespace: string;

  /**
   * @generated from field: string name = 3;
   */
  name: string;

  /**
   * Hex SHA-256 of this message with an empty spec_hash. In a File with a token, sha256 and
   * size_bytes and the times of the token are empty too: its renewal doesn't change the hash.
   *
   * @generated from field: string spec_hash = 4;
   */
  specHash: string;

  /**
   * @generated from field: repeated aranya.v1.Container init_containers = 5;
   */
  initContainers: Container[];

  /**
   * @generated from field: repeated aranya.v1.Container containers = 6;
   */
  containers: Container[];

  /**
   * @generated from field: repeated aranya.v1.Volume volumes = 7;
   */
  volumes: Volume[];

  /**
   * @generated from field: aranya.v1.RestartPolicy restart_policy = 8;
   */
  restartPolicy: RestartPolicy;

  /**
   * @generated from field: int64 termination_grace_seconds = 9;
   */
  terminationGraceSeconds: bigint;

  /**
   * @generated from field: bool host_network = 10;
   */
  hostNetwork: boolean;

  /**
   * @generated from field: bool host_pid = 11;
   */
  hostPid: boolean;

  /**
   * @generated from field: bool host_ipc = 12;
   */
  hostIpc: boolean;

  /**
   * @generated from field: string hostname = 13;
   */
  hostname: string;

  /**
   * @generated from field: aranya.v1.Dns dns = 14;
   */
  dns?: Dns | undefined;

  /**
   * @generated from field: repeated aranya.v1.HostAlias host_aliases = 15;
   */
  hostAliases: HostAlias[];

  /**
   * @generated from field: repeated aranya.v1.RegistryCredential registry_credentials = 16;
   */
  registryCredentials: RegistryCredential[];

  /**
   * @generated from field: aranya.v1.PodSecurity security = 17;
   */
  security?: PodSecurity | undefined;

  /**
   * @generated from field: bool share_process_namespace = 18;
   */
  shareProcessNamespace: boolean;

  /**
   * @generated from field: repeated aranya.v1.Sysctl sysctls = 19;
   */
  sysctls: Sysctl[];

  /**
   * 0: none
   *
   * @generated from field: int64 active_deadline_seconds = 20;
   */
  activeDeadlineSeconds: bigint;

  /**
   * Of its PriorityClass; decides who is evicted first. Absent: not known, never evicted.
   *
   * @generated from field: optional int32 priority = 21;
   */
  priority?: number | undefined;

  /**
   * the taint node.kubernetes.io/memory-pressure:NoSchedule
   *
   * @generated from field: bool tolerates_memory_pressure = 22;
   */
  toleratesMemoryPressure: boolean;
};

/**
 * Describes the message aranya.v1.PodSpec.
 * Use `create(PodSpecSchema)` to create a new message.
 */
export const PodSpecSchema: GenMessage<PodSpec> = /*@__PURE__*/
  messageDesc(file_aranya, 25);

/**
 * @generated from message aranya.v1.Container
 */
export type Container = Message$1<"aranya.v1.Container"> & {
  /**
   * @generated from field: string name = 1;
   */
  name: string;

  /**
   * @generated from field: string image = 2;
   */
  image: string;

  /**
   * @generated from field: aranya.v1.PullPolicy pull_policy = 3;
   */
  pullPolicy: PullPolicy;

  /**
   * @generated from field: repeated string command = 4;
   */
  command: string[];

  /**
   * @generated from field: repeated string args = 5;
   */
  args: string[];

  /**
   * @generated from field: string working_dir = 6;
   */
  workingDir: string;

  /**
   * in order; a later entry replaces an earlier one of the same name
   *
   * @generated from field: repeated aranya.v1.EnvEntry env = 7;
   */
  env: EnvEntry[];

  /**
   * @generated from field: repeated aranya.v1.Mount mounts = 8;
   */
  mounts: Mount[];

  /**
   * @generated from field: aranya.v1.Resources resources = 9;
   */
  resources?: Resources | undefined;

  /**
   * @generated from field: aranya.v1.ContainerSecurity security = 10;
   */
  security?: ContainerSecurity | undefined;

  /**
   * @generated from field: bool stdin = 11;
   */
  stdin: boolean;

  /**
   * @generated from field: bool stdin_once = 12;
   */
  stdinOnce: boolean;

  /**
   * @generated from field: bool tty = 13;
   */
  tty: boolean;

  /**
   * @generated from field: string termination_message_path = 14;
   */
  terminationMessagePath: string;

  /**
   * @generated from field: bool termination_message_fallback_to_logs = 15;
   */
  terminationMessageFallbackToLogs: boolean;

  /**
   * @generated from field: aranya.v1.Handler pre_stop = 16;
   */
  preStop?: Handler | undefined;

  /**
   * @generated from field: aranya.v1.Handler post_start = 17;
   */
  postStart?: Handler | undefined;

  /**
   * @generated from field: aranya.v1.Probe liveness = 18;
   */
  liveness?: Probe | undefined;

  /**
   * @generated from field: aranya.v1.Probe readiness = 19;
   */
  readiness?: Probe | undefined;

  /**
   * @generated from field: aranya.v1.Probe startup = 20;
   */
  startup?: Probe | undefined;

  /**
   * set: must not be started, e.g. its ConfigMap is missing
   *
   * @generated from field: aranya.v1.Blocked blocked = 21;
   */
  blocked?: Blocked | undefined;

  /**
   * init container with restartPolicy Always (a sidecar)
   *
   * @generated from field: bool restart_always = 22;
   */
  restartAlways: boolean;
};

/**
 * Describes the message aranya.v1.Container.
 * Use `create(ContainerSchema)` to create a new message.
 */
export const ContainerSchema: GenMessage<Container> = /*@__PURE__*/
  messageDesc(file_aranya, 26);

/**
 * Why a container or volume has to wait; becomes the waiting reason of the container.
 *
 * @generated from message aranya.v1.Blocked
 */
export type Blocked = Message$1<"aranya.v1.Blocked"> & {
  /**
   * @generated from field: string reason = 1;
   */
  reason: string;

  /**
   * @generated from field: string message = 2;
   */
  message: string;
};

/**
 * Describes the message aranya.v1.Blocked.
 * Use `create(BlockedSchema)` to create a new message.
 */
export const BlockedSchema: GenMessage<Blocked> = /*@__PURE__*/
  messageDesc(file_aranya, 27);

/**
 * @generated from message aranya.v1.EnvEntry
 */
export type EnvEntry = Message$1<"aranya.v1.EnvEntry"> & {
  /**
   * @generated from field: string name = 1;
   */
  name: string;

  /**
   * may contain $(VAR), which the agent expands unless literal is set
   *
   * @generated from field: string value = 2;
   */
  value: string;

  /**
   * set: only the device knows the value
   *
   * @generated from field: aranya.v1.EnvField field = 3;
   */
  field: EnvField;

  /**
   * from a ConfigMap or Secret: never expanded
   *
   * @generated from field: bool literal = 4;
   */
  literal: boolean;
};

/**
 * Describes the message aranya.v1.EnvEntry.
 * Use `create(EnvEntrySchema)` to create a new message.
 */
export const EnvEntrySchema: GenMessage<EnvEntry> = /*@__PURE__*/
  messageDesc(file_aranya, 28);

/**
 * @generated from message aranya.v1.Mount
 */
export type Mount = Message$1<"aranya.v1.Mount"> & {
  /**
   * @generated from field: string volume = 1;
   */
  volume: string;

  /**
   * @generated from field: string path = 2;
   */
  path: string;

  /**
   * @generated from field: string sub_path = 3;
   */
  subPath: string;

  /**
   * @generated from field: bool read_only = 4;
   */
  readOnly: boolean;

  /**
   * "", "rslave" or "rshared"
   *
   * @generated from field: string propagation = 5;
   */
  propagation: string;
};

/**
 * Describes the message aranya.v1.Mount.
 * Use `create(MountSchema)` to create a new message.
 */
export const MountSchema: GenMessage<Mount> = /*@__PURE__*/
  messageDesc(file_aranya, 29);

/**
 * @generated from message aranya.v1.Resources
 */
export type Resources = Message$1<"aranya.v1.Resources"> & {
  /**
   * 0: none
   *
   * @generated from field: uint64 cpu_limit_millis = 1;
   */
  cpuLimitMillis: bigint;

  /**
   * @generated from field: uint64 memory_limit_bytes = 2;
   */
  memoryLimitBytes: bigint;

  /**
   * @generated from field: uint64 cpu_request_millis = 3;
   */
  cpuRequestMillis: bigint;

  /**
   * @generated from field: uint64 memory_request_bytes = 4;
   */
  memoryRequestBytes: bigint;

  /**
   * of ephemeral-storage
   *
   * @generated from field: uint64 storage_limit_bytes = 5;
   */
  storageLimitBytes: bigint;

  /**
   * @generated from field: uint64 storage_request_bytes = 6;
   */
  storageRequestBytes: bigint;
};

/**
 * Describes the message aranya.v1.Resources.
 * Use `create(ResourcesSchema)` to create a new message.
 */
export const ResourcesSchema: GenMessage<Resources> = /*@__PURE__*/
  messageDesc(file_aranya, 30);

/**
 * @generated from message aranya.v1.PodSecurity
 */
export type PodSecurity = Message$1<"aranya.v1.PodSecurity"> & {
  /**
   * @generated from field: optional int64 fs_group = 1;
   */
  fsGroup?: bigint | undefined;

  /**
   * @generated from field: repeated int64 supplemental_groups = 2;
   */
  supplementalGroups: bigint[];
};

/**
 * Describes the message aranya.v1.PodSecurity.
 * Use `create(PodSecuritySchema)` to create a new message.
 */
export const PodSecuritySchema: GenMessage<PodSecurity> = /*@__PURE__*/
  messageDesc(file_aranya, 31);

/**
 * Security context of a container, merged with that of its pod.
 *
 * @generated from message aranya.v1.ContainerSecurity
 */
export type ContainerSecurity = Message$1<"aranya.v1.ContainerSecurity"> & {
  /**
   * @generated from field: optional int64 run_as_user = 1;
   */
  runAsUser?: bigint | undefined;

  /**
   * @generated from field: optional int64 run_as_group = 2;
   */
  runAsGroup?: bigint | undefined;

  /**
   * @generated from field: bool run_as_non_root = 3;
   */
  runAsNonRoot: boolean;

  /**
   * @generated from field: bool privileged = 4;
   */
  privileged: boolean;

  /**
   * @generated from field: bool read_only_root = 5;
   */
  readOnlyRoot: boolean;

  /**
   * @generated from field: repeated string add_capabilities = 6;
   */
  addCapabilities: string[];

  /**
   * @generated from field: repeated string drop_capabilities = 7;
   */
  dropCapabilities: string[];

  /**
   * @generated from field: optional bool allow_privilege_escalation = 8;
   */
  allowPrivilegeEscalation?: boolean | undefined;

  /**
   * "" (default of the runtime) or "unconfined"
   *
   * @generated from field: string seccomp = 9;
   */
  seccomp: string;

  /**
   * @generated from field: string proc_mount = 10;
   */
  procMount: string;
};

/**
 * Describes the message aranya.v1.ContainerSecurity.
 * Use `create(ContainerSecuritySchema)` to create a new message.
 */
export const ContainerSecuritySchema: GenMessage<ContainerSecurity> = /*@__PURE__*/
  messageDesc(file_aranya, 32);

/**
 * @generated from message aranya.v1.Handler
 */
export type Handler = Message$1<"aranya.v1.Handler"> & {
  /**
   * @generated from oneof aranya.v1.Handler.action
   */
  action: {
    /**
     * @generated from field: aranya.v1.ExecAction exec = 1;
     */
    value: ExecAction;
    case: "exec";
  } | {
    /**
     * @generated from field: aranya.v1.HttpAction http = 2;
     */
    value: HttpAction;
    case: "http";
  } | {
    /**
     * @generated from field: aranya.v1.TcpAction tcp = 3;
     */
    value: TcpAction;
    case: "tcp";
  } | {
    /**
     * @generated from field: int64 sleep_seconds = 4;
     */
    value: bigint;
    case: "sleepSeconds";
  } | {
    /**
     * @generated from field: aranya.v1.GrpcAction grpc = 5;
     */
    value: GrpcAction;
    case: "grpc";
  } | { case: undefined; value?: undefined };
};

/**
 * Describes the message aranya.v1.Handler.
 * Use `create(HandlerSchema)` to create a new message.
 */
export const HandlerSchema: GenMessage<Handler> = /*@__PURE__*/
  messageDesc(file_aranya, 33);

/**
 * @generated from message aranya.v1.ExecAction
 */
export type ExecAction = Message$1<"aranya.v1.ExecAction"> & {
  /**
   * @generated from field: repeated string command = 1;
   */
  command: string[];
};

/**
 * Describes the message aranya.v1.ExecAction.
 * Use `create(ExecActionSchema)` to create a new message.
 */
export const ExecActionSchema: GenMessage<ExecAction> = /*@__PURE__*/
  messageDesc(file_aranya, 34);

/**
 * @generated from message aranya.v1.HttpAction
 */
export type HttpAction = Message$1<"aranya.v1.HttpAction"> & {
  /**
   * @generated from field: string scheme = 1;
   */
  scheme: string;

  /**
   * @generated from field: string host = 2;
   */
  host: string;

  /**
   * @generated from field: uint32 port = 3;
   */
  port: number;

  /**
   * @generated from field: string path = 4;
   */
  path: string;

  /**
   * @generated from field: repeated aranya.v1.HttpHeader headers = 5;
   */
  headers: HttpHeader[];
};

/**
 * Describes the message aranya.v1.HttpAction.
 * Use `create(HttpActionSchema)` to create a new message.
 */
export const HttpActionSchema: GenMessage<HttpAction> = /*@__PURE__*/
  messageDesc(file_aranya, 35);

/**
 * @generated from message aranya.v1.HttpHeader
 */
export type HttpHeader = Message$1<"aranya.v1.HttpHeader"> & {
  /**
   * @generated from field: string name = 1;
   */
  name: string;

  /**
   * @generated from field: string value = 2;
   */
  value: string;
};

/**
 * Describes the message aranya.v1.HttpHeader.
 * Use `create(HttpHeaderSchema)` to create a new message.
 */
export const HttpHeaderSchema: GenMessage<HttpHeader> = /*@__PURE__*/
  messageDesc(file_aranya, 36);

/**
 * @generated from message aranya.v1.TcpAction
 */
export type TcpAction = Message$1<"aranya.v1.TcpAction"> & {
  /**
   * @generated from field: string host = 1;
   */
  host: string;

  /**
   * @generated from field: uint32 port = 2;
   */
  port: number;
};

/**
 * Describes the message aranya.v1.TcpAction.
 * Use `create(TcpActionSchema)` to create a new message.
 */
export const TcpActionSchema: GenMessage<TcpAction> = /*@__PURE__*/
  messageDesc(file_aranya, 37);

/**
 * @generated from message aranya.v1.GrpcAction
 */
export type GrpcAction = Message$1<"aranya.v1.GrpcAction"> & {
  /**
   * @generated from field: uint32 port = 1;
   */
  port: number;

  /**
   * @generated from field: string service = 2;
   */
  service: string;
};

/**
 * Describes the message aranya.v1.GrpcAction.
 * Use `create(GrpcActionSchema)` to create a new message.
 */
export const GrpcActionSchema: GenMessage<GrpcAction> = /*@__PURE__*/
  messageDesc(file_aranya, 38);

/**
 * @generated from message aranya.v1.Probe
 */
export type Probe = Message$1<"aranya.v1.Probe"> & {
  /**
   * @generated from field: aranya.v1.Handler handler = 1;
   */
  handler?: Handler | undefined;

  /**
   * @generated from field: uint32 initial_delay_seconds = 2;
   */
  initialDelaySeconds: number;

  /**
   * @generated from field: uint32 timeout_seconds = 3;
   */
  timeoutSeconds: number;

  /**
   * @generated from field: uint32 period_seconds = 4;
   */
  periodSeconds: number;

  /**
   * @generated from field: uint32 success_threshold = 5;
   */
  successThreshold: number;

  /**
   * @generated from field: uint32 failure_threshold = 6;
   */
  failureThreshold: number;

  /**
   * @generated from field: optional int64 termination_grace_seconds = 7;
   */
  terminationGraceSeconds?: bigint | undefined;
};

/**
 * Describes the message aranya.v1.Probe.
 * Use `create(ProbeSchema)` to create a new message.
 */
export const ProbeSchema: GenMessage<Probe> = /*@__PURE__*/
  messageDesc(file_aranya, 39);

/**
 * @generated from message aranya.v1.Volume
 */
export type Volume = Message$1<"aranya.v1.Volume"> & {
  /**
   * @generated from field: string name = 1;
   */
  name: string;

  /**
   * set: its source is missing, so the containers of the pod wait
   *
   * @generated from field: aranya.v1.Blocked blocked = 2;
   */
  blocked?: Blocked | undefined;

  /**
   * @generated from oneof aranya.v1.Volume.source
   */
  source: {
    /**
     * @generated from field: aranya.v1.EmptyDir empty_dir = 3;
     */
    value: EmptyDir;
    case: "emptyDir";
  } | {
    /**
     * @generated from field: aranya.v1.HostPath host_path = 4;
     */
    value: HostPath;
    case: "hostPath";
  } | {
    /**
     * configMap, secret, downwardAPI and projected
     *
     * @generated from field: aranya.v1.Files files = 5;
     */
    value: Files;
    case: "files";
  } | { case: undefined; value?: undefined };
};

/**
 * Describes the message aranya.v1.Volume.
 * Use `create(VolumeSchema)` to create a new message.
 */
export const VolumeSchema: GenMessage<Volume> = /*@__PURE__*/
  messageDesc(file_aranya, 40);

/**
 * @generated from message aranya.v1.EmptyDir
 */
export type EmptyDir = Message$1<"aranya.v1.EmptyDir"> & {
  /**
   * @generated from field: bool memory = 1;
   */
  memory: boolean;

  /**
   * 0: none
   *
   * @generated from field: uint64 size_limit_bytes = 2;
   */
  sizeLimitBytes: bigint;
};

/**
 * Describes the message aranya.v1.EmptyDir.
 * Use `create(EmptyDirSchema)` to create a new message.
 */
export const EmptyDirSchema: GenMessage<EmptyDir> = /*@__PURE__*/
  messageDesc(file_aranya, 41);

/**
 * @generated from message aranya.v1.HostPath
 */
export type HostPath = Message$1<"aranya.v1.HostPath"> & {
  /**
   * @generated from field: string path = 1;
   */
  path: string;

  /**
   * as in Kubernetes: "", DirectoryOrCreate, …
   *
   * @generated from field: string type = 2;
   */
  type: string;
};

/**
 * Describes the message aranya.v1.HostPath.
 * Use `create(HostPathSchema)` to create a new message.
 */
export const HostPathSchema: GenMessage<HostPath> = /*@__PURE__*/
  messageDesc(file_aranya, 42);

/**
 * @generated from message aranya.v1.Files
 */
export type Files = Message$1<"aranya.v1.Files"> & {
  /**
   * @generated from field: repeated aranya.v1.File files = 1;
   */
  files: File[];

  /**
   * written to tmpfs; blobs are encrypted at rest
   *
   * @generated from field: bool secret = 2;
   */
  secret: boolean;
};

/**
 * Describes the message aranya.v1.Files.
 * Use `create(FilesSchema)` to create a new message.
 */
export const FilesSchema: GenMessage<Files> = /*@__PURE__*/
  messageDesc(file_aranya, 43);

/**
 * @generated from message aranya.v1.File
 */
export type File = Message$1<"aranya.v1.File"> & {
  /**
   * relative to the mount point
   *
   * @generated from field: string path = 1;
   */
  path: string;

  /**
   * hex, of the content; the agent requests missing content with FETCH_BLOBS
   *
   * @generated from field: string sha256 = 2;
   */
  sha256: string;

  /**
   * @generated from field: uint64 size_bytes = 3;
   */
  sizeBytes: bigint;

  /**
   * permission bits
   *
   * @generated from field: uint32 mode = 4;
   */
  mode: number;

  /**
   * @generated from field: optional int64 uid = 5;
   */
  uid?: bigint | undefined;

  /**
   * set: the content is a service account token
   *
   * @generated from field: aranya.v1.FileToken token = 6;
   */
  token?: FileToken | undefined;
};

/**
 * Describes the message aranya.v1.File.
 * Use `create(FileSchema)` to create a new message.
 */
export const FileSchema: GenMessage<File> = /*@__PURE__*/
  messageDesc(file_aranya, 44);

/**
 * The service account token in a File. Times are those of the operator's clock.
 *
 * @generated from message aranya.v1.FileToken
 */
export type FileToken = Message$1<"aranya.v1.FileToken"> & {
  /**
   * empty: the API server
   *
   * @generated from field: string audience = 1;
   */
  audience: string;

  /**
   * requested lifetime
   *
   * @generated from field: int64 expiration_seconds = 2;
   */
  expirationSeconds: bigint;

  /**
   * @generated from field: int64 expires_unix_ms = 3;
   */
  expiresUnixMs: bigint;

  /**
   * when the operator sends the next one
   *
   * @generated from field: int64 renew_unix_ms = 4;
   */
  renewUnixMs: bigint;
};

/**
 * Describes the message aranya.v1.FileToken.
 * Use `create(FileTokenSchema)` to create a new message.
 */
export const FileTokenSchema: GenMessage<FileToken> = /*@__PURE__*/
  messageDesc(file_aranya, 45);

/**
 * @generated from message aranya.v1.Dns
 */
export type Dns = Message$1<"aranya.v1.Dns"> & {
  /**
   * @generated from field: repeated string servers = 1;
   */
  servers: string[];

  /**
   * @generated from field: repeated string searches = 2;
   */
  searches: string[];

  /**
   * @generated from field: repeated string options = 3;
   */
  options: string[];
};

/**
 * Describes the message aranya.v1.Dns.
 * Use `create(DnsSchema)` to create a new message.
 */
export const DnsSchema: GenMessage<Dns> = /*@__PURE__*/
  messageDesc(file_aranya, 46);

/**
 * @generated from message aranya.v1.HostAlias
 */
export type HostAlias = Message$1<"aranya.v1.HostAlias"> & {
  /**
   * @generated from field: string ip = 1;
   */
  ip: string;

  /**
   * @generated from field: repeated string names = 2;
   */
  names: string[];
};

/**
 * Describes the message aranya.v1.HostAlias.
 * Use `create(HostAliasSchema)` to create a new message.
 */
export const HostAliasSchema: GenMessage<HostAlias> = /*@__PURE__*/
  messageDesc(file_aranya, 47);

/**
 * @generated from message aranya.v1.Sysctl
 */
export type Sysctl = Message$1<"aranya.v1.Sysctl"> & {
  /**
   * @generated from field: string name = 1;
   */
  name: string;

  /**
   * @generated from field: string value = 2;
   */
  value: string;
};

/**
 * Describes the message aranya.v1.Sysctl.
 * Use `create(SysctlSchema)` to create a new message.
 */
export const SysctlSchema: GenMessage<Sysctl> = /*@__PURE__*/
  messageDesc(file_aranya, 48);

/**
 * @generated from message aranya.v1.RegistryCredential
 */
export type RegistryCredential = Message$1<"aranya.v1.RegistryCredential"> & {
  /**
   * host[:port][/path], as in a .dockerconfigjson Secret
   *
   * @generated from field: string registry = 1;
   */
  registry: string;

  /**
   * @generated from field: string username = 2;
   */
  username: string;

  /**
   * @generated from field: string password = 3;
   */
  password: string;

  /**
   * @generated from field: string identity_token = 4;
   */
  identityToken: string;
};

/**
 * Describes the message aranya.v1.RegistryCredential.
 * Use `create(RegistryCredentialSchema)` to create a new message.
 */
export const RegistryCredentialSchema: GenMessage<RegistryCredential> = /*@__PURE__*/
  messageDesc(file_aranya, 49);

/**
 * Empty: the device has stored the pod.
 *
 * @generated from message aranya.v1.ApplyPodResult
 */
export type ApplyPodResult = Message$1<"aranya.v1.ApplyPodResult"> & {
  /**
   * The device does not take this new pod, and keeps nothing of it: the pod has failed. Never for a
   * pod that the device has.
   *
   * @generated from field: aranya.v1.PodRejection rejection = 1;
   */
  rejection?: PodRejection | undefined;
};

/**
 * Describes the message aranya.v1.ApplyPodResult.
 * Use `create(ApplyPodResultSchema)` to create a new message.
 */
export const ApplyPodResultSchema: GenMessage<ApplyPodResult> = /*@__PURE__*/
  messageDesc(file_aranya, 50);

/**
 * @generated from message aranya.v1.PodRejection
 */
export type PodRejection = Message$1<"aranya.v1.PodRejection"> & {
  /**
   * of the failed pod and of its Event: Evicted
   *
   * @generated from field: string reason = 1;
   */
  reason: string;

  /**
   * of the Event
   *
   * @generated from field: string message = 2;
   */
  message: string;
};

/**
 * Describes the message aranya.v1.PodRejection.
 * Use `create(PodRejectionSchema)` to create a new message.
 */
export const PodRejectionSchema: GenMessage<PodRejection> = /*@__PURE__*/
  messageDesc(file_aranya, 51);

/**
 * @generated from message aranya.v1.RemovePod
 */
export type RemovePod = Message$1<"aranya.v1.RemovePod"> & {
  /**
   * @generated from field: string uid = 1;
   */
  uid: string;

  /**
   * a repeated call with a smaller value shortens a running removal
   *
   * @generated from field: int64 grace_seconds = 2;
   */
  graceSeconds: bigint;
};

/**
 * Describes the message aranya.v1.RemovePod.
 * Use `create(RemovePodSchema)` to create a new message.
 */
export const RemovePodSchema: GenMessage<RemovePod> = /*@__PURE__*/
  messageDesc(file_aranya, 52);

/**
 * @generated from message aranya.v1.PurgePod
 */
export type PurgePod = Message$1<"aranya.v1.PurgePod"> & {
  /**
   * @generated from field: string uid = 1;
   */
  uid: string;
};

/**
 * Describes the message aranya.v1.PurgePod.
 * Use `create(PurgePodSchema)` to create a new message.
 */
export const PurgePodSchema: GenMessage<PurgePod> = /*@__PURE__*/
  messageDesc(file_aranya, 53);

/**
 * @generated from message aranya.v1.FetchBlobs
 */
export type FetchBlobs = Message$1<"aranya.v1.FetchBlobs"> & {
  /**
   * @generated from field: string pod_uid = 1;
   */
  podUid: string;

  /**
   * 1 to 64, each once
   *
   * @generated from field: repeated string sha256 = 2;
   */
  sha256: string[];
};

/**
 * Describes the message aranya.v1.FetchBlobs.
 * Use `create(FetchBlobsSchema)` to create a new message.
 */
export const FetchBlobsSchema: GenMessage<FetchBlobs> = /*@__PURE__*/
  messageDesc(file_aranya, 54);

/**
 * Contents of the first hashes of the request, in their order: at least one, and as many as fit in
 * 2 MiB. The agent requests the others again, and verifies the hashes.
 *
 * @generated from message aranya.v1.Blobs
 */
export type Blobs = Message$1<"aranya.v1.Blobs"> & {
  /**
   * @generated from field: repeated bytes contents = 1;
   */
  contents: Uint8Array[];
};

/**
 * Describes the message aranya.v1.Blobs.
 * Use `create(BlobsSchema)` to create a new message.
 */
export const BlobsSchema: GenMessage<Blobs> = /*@__PURE__*/
  messageDesc(file_aranya, 55);

/**
 * @generated from message aranya.v1.PodStatusList
 */
export type PodStatusList = Message$1<"aranya.v1.PodStatusList"> & {
  /**
   * @generated from field: repeated aranya.v1.PodStatus pods = 1;
   */
  pods: PodStatus[];
};

/**
 * Describes the message aranya.v1.PodStatusList.
 * Use `create(PodStatusListSchema)` to create a new message.
 */
export const PodStatusListSchema: GenMessage<PodStatusList> = /*@__PURE__*/
  messageDesc(file_aranya, 56);

/**
 * Observed state of one pod. The operator derives phase and conditions of the PodStatus from it.
 *
 * @generated from message aranya.v1.PodStatus
 */
export type PodStatus = Message$1<"aranya.v1.PodStatus"> & {
  /**
   * @generated from field: string uid = 1;
   */
  uid: string;

  /**
   * @generated from field: string namespace = 2;
   */
  namespace: string;

  /**
   * @generated from field: string name = 3;
   */
  name: string;

  /**
   * of the last accepted PodSpec
   *
   * @generated from field: string spec_hash = 4;
   */
  specHash: string;

  /**
   * @generated from field: repeated aranya.v1.ContainerStatus init_containers = 5;
   */
  initContainers: ContainerStatus[];

  /**
   * @generated from field: repeated aranya.v1.ContainerStatus containers = 6;
   */
  containers: ContainerStatus[];

  /**
   * @generated from field: repeated string pod_ips = 7;
   */
  podIps: string[];

  /**
   * @generated from field: repeated string host_ips = 8;
   */
  hostIps: string[];

  /**
   * network namespace and addresses exist
   *
   * @generated from field: bool sandbox_ready = 9;
   */
  sandboxReady: boolean;

  /**
   * RemovePod was accepted
   *
   * @generated from field: bool removing = 10;
   */
  removing: boolean;

  /**
   * no container runs, and none will be started again
   *
   * @generated from field: bool terminated = 11;
   */
  terminated: boolean;

  /**
   * when the agent first received the pod; 0: unknown
   *
   * @generated from field: int64 started_unix_ms = 12;
   */
  startedUnixMs: bigint;

  /**
   * Set when the pod as a whole failed: Evicted, DeadlineExceeded, ForbiddenByDevice, …
   *
   * @generated from field: string failure_reason = 13;
   */
  failureReason: string;

  /**
   * @generated from field: string failure_message = 14;
   */
  failureMessage: string;

  /**
   * increases with every change of any pod on this device
   *
   * @generated from field: uint64 version = 15;
   */
  version: bigint;

  /**
   * Only in the answer to LIST_PODS: the files with a token of the last accepted PodSpec, as far as
   * the device holds their content. A new operator takes over from here what it would otherwise
   * request and send again.
   *
   * @generated from field: repeated aranya.v1.File token_files = 16;
   */
  tokenFiles: File[];

  /**
   * The pod as a whole failed because the device ran out of a resource: condition DisruptionTarget.
   *
   * @generated from field: bool disruption_target = 17;
   */
  disruptionTarget: boolean;
};

/**
 * Describes the message aranya.v1.PodStatus.
 * Use `create(PodStatusSchema)` to create a new message.
 */
export const PodStatusSchema: GenMessage<PodStatus> = /*@__PURE__*/
  messageDesc(file_aranya, 57);

/**
 * @generated from message aranya.v1.ContainerStatus
 */
export type ContainerStatus = Message$1<"aranya.v1.ContainerStatus"> & {
  /**
   * @generated from field: string name = 1;
   */
  name: string;

  /**
   * @generated from field: aranya.v1.ContainerState state = 2;
   */
  state?: ContainerState | undefined;

  /**
   * only `terminated` is used
   *
   * @generated from field: aranya.v1.ContainerState last_terminated = 3;
   */
  lastTerminated?: ContainerState | undefined;

  /**
   * @generated from field: uint32 restart_count = 4;
   */
  restartCount: number;

  /**
   * e.g. docker://4f66ad9a…
   *
   * @generated from field: string container_id = 5;
   */
  containerId: string;

  /**
   * @generated from field: string image = 6;
   */
  image: string;

  /**
   * @generated from field: string image_id = 7;
   */
  imageId: string;

  /**
   * @generated from field: bool ready = 8;
   */
  ready: boolean;

  /**
   * @generated from field: bool started = 9;
   */
  started: boolean;
};

/**
 * Describes the message aranya.v1.ContainerStatus.
 * Use `create(ContainerStatusSchema)` to create a new message.
 */
export const ContainerStatusSchema: GenMessage<ContainerStatus> = /*@__PURE__*/
  messageDesc(file_aranya, 58);

/**
 * @generated from message aranya.v1.ContainerState
 */
export type ContainerState = Message$1<"aranya.v1.ContainerState"> & {
  /**
   * @generated from oneof aranya.v1.ContainerState.state
   */
  state: {
    /**
     * @generated from field: aranya.v1.Waiting waiting = 1;
     */
    value: Waiting;
    case: "waiting";
  } | {
    /**
     * @generated from field: aranya.v1.Running running = 2;
     */
    value: Running;
    case: "running";
  } | {
    /**
     * @generated from field: aranya.v1.Terminated terminated = 3;
     */
    value: Terminated;
    case: "terminated";
  } | { case: undefined; value?: undefined };
};

/**
 * Describes the message aranya.v1.ContainerState.
 * Use `create(ContainerStateSchema)` to create a new message.
 */
export const ContainerStateSchema: GenMessage<ContainerState> = /*@__PURE__*/
  messageDesc(file_aranya, 59);

/**
 * @generated from message aranya.v1.Waiting
 */
export type Waiting = Message$1<"aranya.v1.Waiting"> & {
  /**
   * @generated from field: string reason = 1;
   */
  reason: string;

  /**
   * @generated from field: string message = 2;
   */
  message: string;
};

/**
 * Describes the message aranya.v1.Waiting.
 * Use `create(WaitingSchema)` to create a new message.
 */
export const WaitingSchema: GenMessage<Waiting> = /*@__PURE__*/
  messageDesc(file_aranya, 60);

/**
 * @generated from message aranya.v1.Running
 */
export type Running = Message$1<"aranya.v1.Running"> & {
  /**
   * @generated from field: int64 started_unix_ms = 1;
   */
  startedUnixMs: bigint;
};

/**
 * Describes the message aranya.v1.Running.
 * Use `create(RunningSchema)` to create a new message.
 */
export const RunningSchema: GenMessage<Running> = /*@__PURE__*/
  messageDesc(file_aranya, 61);

/**
 * @generated from message aranya.v1.Terminated
 */
export type Terminated = Message$1<"aranya.v1.Terminated"> & {
  /**
   * @generated from field: int32 exit_code = 1;
   */
  exitCode: number;

  /**
   * @generated from field: int32 signal = 2;
   */
  signal: number;

  /**
   * @generated from field: string reason = 3;
   */
  reason: string;

  /**
   * @generated from field: string message = 4;
   */
  message: string;

  /**
   * @generated from field: int64 started_unix_ms = 5;
   */
  startedUnixMs: bigint;

  /**
   * @generated from field: int64 finished_unix_ms = 6;
   */
  finishedUnixMs: bigint;

  /**
   * @generated from field: string container_id = 7;
   */
  containerId: string;
};

/**
 * Describes the message aranya.v1.Terminated.
 * Use `create(TerminatedSchema)` to create a new message.
 */
export const TerminatedSchema: GenMessage<Terminated> = /*@__PURE__*/
  messageDesc(file_aranya, 62);

/**
 * @generated from message aranya.v1.EventList
 */
export type EventList = Message$1<"aranya.v1.EventList"> & {
  /**
   * @generated from field: repeated aranya.v1.Event events = 1;
   */
  events: Event[];
};

/**
 * Describes the message aranya.v1.EventList.
 * Use `create(EventListSchema)` to create a new message.
 */
export const EventListSchema: GenMessage<EventList> = /*@__PURE__*/
  messageDesc(file_aranya, 63);

/**
 * @generated from message aranya.v1.Event
 */
export type Event = Message$1<"aranya.v1.Event"> & {
  /**
   * empty: about the device
   *
   * @generated from field: string pod_uid = 1;
   */
  podUid: string;

  /**
   * @generated from field: string container = 2;
   */
  container: string;

  /**
   * @generated from field: bool warning = 3;
   */
  warning: boolean;

  /**
   * @generated from field: string reason = 4;
   */
  reason: string;

  /**
   * @generated from field: string message = 5;
   */
  message: string;

  /**
   * @generated from field: int64 time_unix_ms = 6;
   */
  timeUnixMs: bigint;
};

/**
 * Describes the message aranya.v1.Event.
 * Use `create(EventSchema)` to create a new message.
 */
export const EventSchema: GenMessage<Event> = /*@__PURE__*/
  messageDesc(file_aranya, 64);

/**
 * Target of a stream: a container, or the host of the device when pod_uid is empty.
 *
 * @generated from message aranya.v1.Target
 */
export type Target = Message$1<"aranya.v1.Target"> & {
  /**
   * @generated from field: string pod_uid = 1;
   */
  podUid: string;

  /**
   * @generated from field: string container = 2;
   */
  container: string;

  /**
   * "namespace/name"; used in messages only
   *
   * @generated from field: string pod = 3;
   */
  pod: string;
};

/**
 * Describes the message aranya.v1.Target.
 * Use `create(TargetSchema)` to create a new message.
 */
export const TargetSchema: GenMessage<Target> = /*@__PURE__*/
  messageDesc(file_aranya, 65);

/**
 * @generated from message aranya.v1.Exec
 */
export type Exec = Message$1<"aranya.v1.Exec"> & {
  /**
   * @generated from field: aranya.v1.Target target = 1;
   */
  target?: Target | undefined;

  /**
   * @generated from field: repeated string command = 2;
   */
  command: string[];

  /**
   * @generated from field: bool stdin = 3;
   */
  stdin: boolean;

  /**
   * @generated from field: bool stdout = 4;
   */
  stdout: boolean;

  /**
   * @generated from field: bool stderr = 5;
   */
  stderr: boolean;

  /**
   * @generated from field: bool tty = 6;
   */
  tty: boolean;

  /**
   * set when the terminal size is known at the start
   *
   * @generated from field: aranya.v1.Resize size = 7;
   */
  size?: Resize | undefined;
};

/**
 * Describes the message aranya.v1.Exec.
 * Use `create(ExecSchema)` to create a new message.
 */
export const ExecSchema: GenMessage<Exec> = /*@__PURE__*/
  messageDesc(file_aranya, 66);

/**
 * @generated from message aranya.v1.Attach
 */
export type Attach = Message$1<"aranya.v1.Attach"> & {
  /**
   * @generated from field: aranya.v1.Target target = 1;
   */
  target?: Target | undefined;

  /**
   * @generated from field: bool stdin = 2;
   */
  stdin: boolean;

  /**
   * @generated from field: bool stdout = 3;
   */
  stdout: boolean;

  /**
   * @generated from field: bool stderr = 4;
   */
  stderr: boolean;

  /**
   * @generated from field: bool tty = 5;
   */
  tty: boolean;
};

/**
 * Describes the message aranya.v1.Attach.
 * Use `create(AttachSchema)` to create a new message.
 */
export const AttachSchema: GenMessage<Attach> = /*@__PURE__*/
  messageDesc(file_aranya, 67);

/**
 * @generated from message aranya.v1.Resize
 */
export type Resize = Message$1<"aranya.v1.Resize"> & {
  /**
   * @generated from field: uint32 width = 1;
   */
  width: number;

  /**
   * @generated from field: uint32 height = 2;
   */
  height: number;
};

/**
 * Describes the message aranya.v1.Resize.
 * Use `create(ResizeSchema)` to create a new message.
 */
export const ResizeSchema: GenMessage<Resize> = /*@__PURE__*/
  messageDesc(file_aranya, 68);

/**
 * @generated from message aranya.v1.ExitStatus
 */
export type ExitStatus = Message$1<"aranya.v1.ExitStatus"> & {
  /**
   * @generated from field: int32 code = 1;
   */
  code: number;

  /**
   * empty when the process just exited
   *
   * @generated from field: string reason = 2;
   */
  reason: string;

  /**
   * @generated from field: string message = 3;
   */
  message: string;
};

/**
 * Describes the message aranya.v1.ExitStatus.
 * Use `create(ExitStatusSchema)` to create a new message.
 */
export const ExitStatusSchema: GenMessage<ExitStatus> = /*@__PURE__*/
  messageDesc(file_aranya, 69);

/**
 * @generated from message aranya.v1.Logs
 */
export type Logs = Message$1<"aranya.v1.Logs"> & {
  /**
   * @generated from field: aranya.v1.Target target = 1;
   */
  target?: Target | undefined;

  /**
   * @generated from field: bool follow = 2;
   */
  follow: boolean;

  /**
   * @generated from field: bool previous = 3;
   */
  previous: boolean;

  /**
   * @generated from field: bool timestamps = 4;
   */
  timestamps: boolean;

  /**
   * @generated from field: optional int64 tail_lines = 5;
   */
  tailLines?: bigint | undefined;

  /**
   * @generated from field: optional int64 limit_bytes = 6;
   */
  limitBytes?: bigint | undefined;

  /**
   * @generated from field: optional int64 since_seconds = 7;
   */
  sinceSeconds?: bigint | undefined;

  /**
   * RFC 3339
   *
   * @generated from field: string since_time = 8;
   */
  sinceTime: string;
};

/**
 * Describes the message aranya.v1.Logs.
 * Use `create(LogsSchema)` to create a new message.
 */
export const LogsSchema: GenMessage<Logs> = /*@__PURE__*/
  messageDesc(file_aranya, 70);

/**
 * @generated from message aranya.v1.PortForward
 */
export type PortForward = Message$1<"aranya.v1.PortForward"> & {
  /**
   * @generated from field: aranya.v1.Target target = 1;
   */
  target?: Target | undefined;

  /**
   * @generated from field: uint32 port = 2;
   */
  port: number;
};

/**
 * Describes the message aranya.v1.PortForward.
 * Use `create(PortForwardSchema)` to create a new message.
 */
export const PortForwardSchema: GenMessage<PortForward> = /*@__PURE__*/
  messageDesc(file_aranya, 71);

/**
 * @generated from enum aranya.v1.RefusalReason
 */
export const RefusalReason = {
  /**
   * @generated from enum value: REFUSAL_REASON_UNSPECIFIED = 0;
   */
  UNSPECIFIED: 0,

  /**
   * @generated from enum value: REFUSAL_REASON_UNKNOWN_DEVICE = 1;
   */
  UNKNOWN_DEVICE: 1,

  /**
   * @generated from enum value: REFUSAL_REASON_BAD_CREDENTIAL = 2;
   */
  BAD_CREDENTIAL: 2,

  /**
   * framing version in HandshakeRefusal, protocol version in Refused
   *
   * @generated from enum value: REFUSAL_REASON_VERSION = 3;
   */
  VERSION: 3,

  /**
   * another machine is connected under this name
   *
   * @generated from enum value: REFUSAL_REASON_DUPLICATE_DEVICE = 4;
   */
  DUPLICATE_DEVICE: 4,

  /**
   * another operator leads, or may lead: try the other endpoints
   *
   * @generated from enum value: REFUSAL_REASON_NOT_LEADER = 5;
   */
  NOT_LEADER: 5,

  /**
   * @generated from enum value: REFUSAL_REASON_OVERLOADED = 6;
   */
  OVERLOADED: 6,
} as const;

/**
 * @generated from enum aranya.v1.RefusalReason
 */
export type RefusalReason = (typeof RefusalReason)[keyof typeof RefusalReason] | UnknownEnum;

/**
 * Describes the enum aranya.v1.RefusalReason.
 */
export const RefusalReasonSchema: GenEnum<RefusalReason> = /*@__PURE__*/
  enumDesc(file_aranya, 0);

/**
 * @generated from enum aranya.v1.EnvelopeKind
 */
export const EnvelopeKind = {
  /**
   * @generated from enum value: ENVELOPE_KIND_UNSPECIFIED = 0;
   */
  UNSPECIFIED: 0,

  /**
   * Link control, stream 0.
   *
   * @generated from enum value: ENVELOPE_KIND_HELLO = 1;
   */
  HELLO: 1,

  /**
   * @generated from enum value: ENVELOPE_KIND_HELLO_REPLY = 2;
   */
  HELLO_REPLY: 2,

  /**
   * payload: 8 opaque bytes
   *
   * @generated from enum value: ENVELOPE_KIND_PING = 3;
   */
  PING: 3,

  /**
   * payload: that of the PING
   *
   * @generated from enum value: ENVELOPE_KIND_PONG = 4;
   */
  PONG: 4,

  /**
   * payload: Acks
   *
   * @generated from enum value: ENVELOPE_KIND_ACK = 5;
   */
  ACK: 5,

  /**
   * payload: Goodbye; last packet of its sender on this link
   *
   * @generated from enum value: ENVELOPE_KIND_GOODBYE = 6;
   */
  GOODBYE: 6,

  /**
   * payload: a piece of one encoded envelope; the last piece is marked complete. The pieces of two
   * envelopes are never interleaved, and no other envelope of the same stream comes between them;
   * envelopes of other streams may.
   *
   * @generated from enum value: ENVELOPE_KIND_PART = 7;
   */
  PART: 7,

  /**
   * payload: UnknownStreams
   *
   * @generated from enum value: ENVELOPE_KIND_UNKNOWN_STREAMS = 8;
   */
  UNKNOWN_STREAMS: 8,

  /**
   * Envelopes of a stream.
   *
   * payload: Open; may be split over several envelopes
   *
   * @generated from enum value: ENVELOPE_KIND_OPEN = 16;
   */
  OPEN: 16,

  /**
   * payload: channel (1 byte), then the bytes
   *
   * @generated from enum value: ENVELOPE_KIND_DATA = 17;
   */
  DATA: 17,

  /**
   * payload: channel (1 byte); the sender sends no more DATA on it
   *
   * @generated from enum value: ENVELOPE_KIND_END = 18;
   */
  END: 18,

  /**
   * payload: response of the acceptor; ends the stream; may be split
   *
   * @generated from enum value: ENVELOPE_KIND_RESULT = 19;
   */
  RESULT: 19,

  /**
   * payload: Failure; from either side; ends both directions
   *
   * @generated from enum value: ENVELOPE_KIND_RESET = 20;
   */
  RESET: 20,
} as const;

/**
 * @generated from enum aranya.v1.EnvelopeKind
 */
export type EnvelopeKind = (typeof EnvelopeKind)[keyof typeof EnvelopeKind] | UnknownEnum;

/**
 * Describes the enum aranya.v1.EnvelopeKind.
 */
export const EnvelopeKindSchema: GenEnum<EnvelopeKind> = /*@__PURE__*/
  enumDesc(file_aranya, 1);

/**
 * What a stream is for. Methods with bit 0x10 set use channels ("stream methods"); all others are
 * requests. Comments: what Open.request contains -> what RESULT contains.
 *
 * @generated from enum aranya.v1.Method
 */
export const Method = {
  /**
   * @generated from enum value: METHOD_UNSPECIFIED = 0;
   */
  UNSPECIFIED: 0,

  /**
   * Requests from the operator to the agent.
   *
   * Configure -> empty
   *
   * @generated from enum value: METHOD_CONFIGURE = 1;
   */
  CONFIGURE: 1,

  /**
   * empty -> PodStatusList
   *
   * @generated from enum value: METHOD_LIST_PODS = 2;
   */
  LIST_PODS: 2,

  /**
   * PodSpec -> ApplyPodResult
   *
   * @generated from enum value: METHOD_APPLY_POD = 3;
   */
  APPLY_POD: 3,

  /**
   * RemovePod -> empty; accepted, the end is reported by REPORT_PODS
   *
   * @generated from enum value: METHOD_REMOVE_POD = 4;
   */
  REMOVE_POD: 4,

  /**
   * RotateCredential -> empty
   *
   * @generated from enum value: METHOD_ROTATE_CREDENTIAL = 5;
   */
  ROTATE_CREDENTIAL: 5,

  /**
   * empty -> Stats
   *
   * @generated from enum value: METHOD_GET_STATS = 6;
   */
  GET_STATS: 6,

  /**
   * PurgePod -> empty: the Pod object was deleted, so drop the tombstone and dead containers.
   *
   * @generated from enum value: METHOD_PURGE_POD = 7;
   */
  PURGE_POD: 7,

  /**
   * Stream methods from the operator to the agent. Channels of EXEC and ATTACH: 0 stdin, 1 stdout,
   * 2 stderr, 4 terminal size (one Resize message per DATA).
   *
   * Exec -> ExitStatus
   *
   * @generated from enum value: METHOD_EXEC = 16;
   */
  EXEC: 16,

  /**
   * Attach -> ExitStatus
   *
   * @generated from enum value: METHOD_ATTACH = 17;
   */
  ATTACH: 17,

  /**
   * Logs; channel 1 carries the log -> empty
   *
   * @generated from enum value: METHOD_LOGS = 18;
   */
  LOGS: 18,

  /**
   * PortForward; channel 0 to the target, 1 from it -> empty
   *
   * @generated from enum value: METHOD_PORT_FORWARD = 19;
   */
  PORT_FORWARD: 19,

  /**
   * Requests from the agent to the operator.
   *
   * Facts, up to 64 KiB -> empty
   *
   * @generated from enum value: METHOD_REPORT_FACTS = 32;
   */
  REPORT_FACTS: 32,

  /**
   * PodStatusList with the changed pods, at most 1024 -> empty
   *
   * @generated from enum value: METHOD_REPORT_PODS = 33;
   */
  REPORT_PODS: 33,

  /**
   * EventList, up to 512 KiB -> empty. The agent sends what does not fit in further requests. Of
   * this method and REPORT_PODS it drops what is answered "too_large" or "invalid"; such a
   * REPORT_FACTS it repeats only when the facts have changed, or on a new link.
   *
   * @generated from enum value: METHOD_REPORT_EVENTS = 34;
   */
  REPORT_EVENTS: 34,

  /**
   * FetchBlobs, up to 16 KiB -> Blobs
   *
   * @generated from enum value: METHOD_FETCH_BLOBS = 35;
   */
  FETCH_BLOBS: 35,
} as const;

/**
 * What a stream is for. Methods with bit 0x10 set use channels ("stream methods"); all others are
 * requests. Comments: what Open.request contains -> what RESULT contains.
 *
 * @generated from enum aranya.v1.Method
 */
export type Method = (typeof Method)[keyof typeof Method] | UnknownEnum;

/**
 * Describes the enum aranya.v1.Method.
 */
export const MethodSchema: GenEnum<Method> = /*@__PURE__*/
  enumDesc(file_aranya, 2);

/**
 * @generated from enum aranya.v1.FailureKind
 */
export const FailureKind = {
  /**
   * @generated from enum value: FAILURE_KIND_COMMON = 0;
   */
  COMMON: 0,

  /**
   * @generated from enum value: FAILURE_KIND_NOT_FOUND = 1;
   */
  NOT_FOUND: 1,

  /**
   * @generated from enum value: FAILURE_KIND_ALREADY_EXISTS = 2;
   */
  ALREADY_EXISTS: 2,

  /**
   * @generated from enum value: FAILURE_KIND_NOT_SUPPORTED = 3;
   */
  NOT_SUPPORTED: 3,

  /**
   * @generated from enum value: FAILURE_KIND_TIMEOUT = 4;
   */
  TIMEOUT: 4,
} as const;

/**
 * @generated from enum aranya.v1.FailureKind
 */
export type FailureKind = (typeof FailureKind)[keyof typeof FailureKind] | UnknownEnum;

/**
 * Describes the enum aranya.v1.FailureKind.
 */
export const FailureKindSchema: GenEnum<FailureKind> = /*@__PURE__*/
  enumDesc(file_aranya, 3);

/**
 * @generated from enum aranya.v1.RestartPolicy
 */
export const RestartPolicy = {
  /**
   * @generated from enum value: RESTART_POLICY_ALWAYS = 0;
   */
  ALWAYS: 0,

  /**
   * @generated from enum value: RESTART_POLICY_ON_FAILURE = 1;
   */
  ON_FAILURE: 1,

  /**
   * @generated from enum value: RESTART_POLICY_NEVER = 2;
   */
  NEVER: 2,
} as const;

/**
 * @generated from enum aranya.v1.RestartPolicy
 */
export type RestartPolicy = (typeof RestartPolicy)[keyof typeof RestartPolicy] | UnknownEnum;

/**
 * Describes the enum aranya.v1.RestartPolicy.
 */
export const RestartPolicySchema: GenEnum<RestartPolicy> = /*@__PURE__*/
  enumDesc(file_aranya, 4);

/**
 * @generated from enum aranya.v1.PullPolicy
 */
export const PullPolicy = {
  /**
   * @generated from enum value: PULL_POLICY_IF_NOT_PRESENT = 0;
   */
  IF_NOT_PRESENT: 0,

  /**
   * @generated from enum value: PULL_POLICY_ALWAYS = 1;
   */
  ALWAYS: 1,

  /**
   * @generated from enum value: PULL_POLICY_NEVER = 2;
   */
  NEVER: 2,
} as const;

/**
 * @generated from enum aranya.v1.PullPolicy
 */
export type PullPolicy = (typeof PullPolicy)[keyof typeof PullPolicy] | UnknownEnum;

/**
 * Describes the enum aranya.v1.PullPolicy.
 */
export const PullPolicySchema: GenEnum<PullPolicy> = /*@__PURE__*/
  enumDesc(file_aranya, 5);

/**
 * @generated from enum aranya.v1.EnvField
 */
export const EnvField = {
  /**
   * @generated from enum value: ENV_FIELD_NONE = 0;
   */
  NONE: 0,

  /**
   * @generated from enum value: ENV_FIELD_POD_IP = 1;
   */
  POD_IP: 1,

  /**
   * @generated from enum value: ENV_FIELD_POD_IPS = 2;
   */
  POD_IPS: 2,

  /**
   * @generated from enum value: ENV_FIELD_HOST_IP = 3;
   */
  HOST_IP: 3,

  /**
   * @generated from enum value: ENV_FIELD_HOST_IPS = 4;
   */
  HOST_IPS: 4,
} as const;

/**
 * @generated from enum aranya.v1.EnvField
 */
export type EnvField = (typeof EnvField)[keyof typeof EnvField] | UnknownEnum;

/**
 * Describes the enum aranya.v1.EnvField.
 */
export const EnvFieldSchema: GenEnum<EnvField> = /*@__PURE__*/
  enumDesc(file_aranya, 6);


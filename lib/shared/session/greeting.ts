// SPDX-License-Identifier: Apache-2.0
/** The hello exchange: the first packet of each side on a link. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  defined,
  equalBytes,
  SYSTEM_CLOCK,
  waitAtMost,
  withDeadline,
} from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import {
  create,
  decodeEnvelope,
  decodeMessage,
  encodeControl,
  encodeMessage,
  EnvelopeKind,
  type Hello,
  type HelloReply,
  HelloReplySchema,
  HelloSchema,
  MIN_PROTOCOL_VERSION,
  negotiateVersion,
  PROTOCOL_VERSION,
  Reassembler,
  RedirectSchema,
  RefusalReason,
  RefusedSchema,
  toPackets,
  toRefusalCode,
  toRefusalName,
  type VersionRange,
  type Welcome,
  WelcomeSchema,
} from "../wire/mod.ts";
import { closeWithGoodbye, decodeGoodbye } from "./goodbye.ts";
import type { Greeting, Session } from "./session.ts";

/** Bounds of a hello exchange. */
export interface GreetingLimits {
  /** Upper bound of the whole exchange, in milliseconds. @default 10000 */
  timeoutMs?: number;
  /** @default SYSTEM_CLOCK */
  clock?: Clock;
  /** Cancels the exchange. */
  signal?: AbortSignal;
}

/** Options of {@linkcode greetAsAgent}. */
export interface GreetAsAgentOptions extends GreetingLimits {
  /** The session that is going to run on the link. */
  session: Session;
  /** Values of CAPABILITIES. */
  capabilities: readonly string[];
  agentVersion: string;
  /** Identifies the machine, also after a reboot. */
  machineId: string;
  /** Identifies the current boot of the machine. */
  bootId: string;
}

/** How the operator replies to a Hello. */
export type GreetingDecision =
  | {
    /** The session of the device, which is going to run on the link. */
    session: Session;
    /** Values of CAPABILITIES. */
    capabilities: readonly string[];
    operatorVersion: string;
    /** Both sides close the link after this much silence, in milliseconds. */
    offlineAfterMs: number;
  }
  | { refuse: Refusal }
  | { redirect: { endpoint: string } };

/** Options of {@linkcode greetAsOperator}. */
export interface GreetAsOperatorOptions extends GreetingLimits {
  /** Decides about a Hello. If it rejects, the agent is refused with reason OVERLOADED. */
  decide: (
    hello: Hello,
    signal: AbortSignal,
  ) => Promise<GreetingDecision> | GreetingDecision;
}

interface Refusal {
  reason: RefusalReason;
  /** Sentence for the owner of the device. */
  message: string;
}

/** The operator's reply to a Hello. */
interface Reply {
  outcome: Exclude<HelloReply["outcome"], { case: undefined }>;
  /** What `greetAsOperator` throws unless the outcome is a Welcome. */
  error?: unknown;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** How long an agent may take to read why it was refused, in milliseconds. */
const REFUSED_LINGER_MS = 2_000;
const MAX_HELLO_BYTES = 256 * 1024;
/** Upper bound of the fields of a Hello: enough for points of all streams that may be open. */
const MAX_HELLO_FIELD_COUNT = 8192;
/** Bounds of what an agent reports about itself: texts in characters, bytes, and elements. */
const MAX_TEXT_LENGTH = 256;
const MAX_INSTANCE_ID_BYTES = 64;
const MAX_CAPABILITY_COUNT = 256;

/**
 * Sends the Hello and receives the operator's reply. Pass the result to `session.run`. The link is
 * closed on failure.
 * @throws {AranyaError} if refused: a code by the reason, which is `details.reason`, e.g.
 * "DUPLICATE_DEVICE"; if redirected: "unavailable" with `details.endpoint`; "timed_out";
 * "cancelled"; "unavailable" when the link ended; "invalid" for any other packet
 */
export async function greetAsAgent(
  link: Link,
  options: GreetAsAgentOptions,
): Promise<Greeting> {
  const { session, capabilities, agentVersion, machineId, bootId } = options;
  const hello = create(HelloSchema, {
    protocolVersion: PROTOCOL_VERSION,
    minProtocolVersion: MIN_PROTOCOL_VERSION,
    capabilities: [...capabilities],
    agentVersion,
    machineId,
    bootId,
    instanceId: session.instanceId,
    peerInstanceId: session.peerInstanceId,
    resume: session.resumePoints(),
  });
  return await exchangeHello({ link, limits: options }, async () => {
    const payload = encodeMessage(HelloSchema, hello);
    await sendControl(link, { kind: EnvelopeKind.HELLO, payload });
    const bytes = await receiveControl(link, EnvelopeKind.HELLO_REPLY);
    const { outcome } = decodeMessage(HelloReplySchema, bytes);
    switch (outcome.case) {
      case "welcome":
        return toGreeting({ hello, welcome: outcome.value, side: "agent" });
      case "refused":
        throw toRefusedError(outcome.value);
      case "redirect":
        throw toRedirectError(outcome.value);
      default:
        throw new AranyaError(
          "invalid",
          `Cannot connect to ${link.peer}: unexpected reply to hello`,
        );
    }
  });
}

/**
 * Receives an agent's Hello and replies with the decision. Pass the result to `session.run`. The
 * link is closed on failure.
 * @throws {AranyaError} what was replied, if not a Welcome: the same error as at the agent;
 * "timed_out"; "cancelled"; "unavailable" when the link ended; "invalid" for any other packet; what
 * `decide` throws
 */
export async function greetAsOperator(
  link: Link,
  options: GreetAsOperatorOptions,
): Promise<Greeting> {
  const { clock } = options;
  return await exchangeHello({ link, limits: options }, async (signal) => {
    const bytes = await receiveControl(link, EnvelopeKind.HELLO);
    const hello = decodeMessage(HelloSchema, bytes, {
      maxFieldCount: MAX_HELLO_FIELD_COUNT,
    });
    checkHello(hello, link);
    const { outcome, error } = await decideReply(options, {
      hello,
      signal,
    });
    await sendControl(link, {
      kind: EnvelopeKind.HELLO_REPLY,
      payload: encodeMessage(HelloReplySchema, { outcome }),
    });
    if (outcome.case === "welcome") {
      return toGreeting({ hello, welcome: outcome.value, side: "operator" });
    }
    // The agent closes the link when it has read the reply.
    await waitAtMost(link.closed, { timeoutMs: REFUSED_LINGER_MS, clock });
    throw error;
  });
}

/** @throws {AranyaError} code "invalid" when a field is larger than any agent's */
function checkHello(hello: Hello, link: Link): void {
  const { capabilities, agentVersion, machineId, bootId } = hello;
  const texts = [...capabilities, agentVersion, machineId, bootId];
  if (
    texts.every(({ length }) => length <= MAX_TEXT_LENGTH) &&
    capabilities.length <= MAX_CAPABILITY_COUNT &&
    hello.instanceId.length <= MAX_INSTANCE_ID_BYTES &&
    hello.peerInstanceId.length <= MAX_INSTANCE_ID_BYTES
  ) return;
  throw new AranyaError(
    "invalid",
    `Cannot connect to ${link.peer}: a field of its hello is too long`,
  );
}

async function decideReply(
  { decide, clock = SYSTEM_CLOCK }: GreetAsOperatorOptions,
  { hello, signal }: { hello: Hello; signal: AbortSignal },
): Promise<Reply> {
  const protocolVersion = negotiateVersion(toVersionRange(hello));
  if (protocolVersion === undefined) {
    return toRefusedReply({
      reason: RefusalReason.VERSION,
      message:
        `Cannot serve agent ${hello.agentVersion}: its protocol version is ${hello.protocolVersion}, expected ${MIN_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}`,
    });
  }
  let decision: GreetingDecision;
  try {
    decision = await decide(hello, signal);
  } catch (error) {
    const message = "Cannot serve agent: the operator failed to look it up";
    const reason = RefusalReason.OVERLOADED;
    return { ...toRefusedReply({ reason, message }), error };
  }
  if ("refuse" in decision) return toRefusedReply(decision.refuse);
  if ("redirect" in decision) {
    return {
      outcome: {
        case: "redirect",
        value: create(RedirectSchema, decision.redirect),
      },
      error: toRedirectError(decision.redirect),
    };
  }
  const { session, capabilities, operatorVersion, offlineAfterMs } = decision;
  // Streams continue only if each side still is the process that the other one knows.
  const resumed = hello.instanceId.length > 0 &&
    equalBytes(hello.instanceId, session.peerInstanceId) &&
    equalBytes(hello.peerInstanceId, session.instanceId);
  const value = create(WelcomeSchema, {
    protocolVersion,
    capabilities: [...capabilities],
    operatorVersion,
    instanceId: session.instanceId,
    resumed,
    resume: resumed ? session.resumePoints() : [],
    timeUnixMs: BigInt(Math.round(clock.wallMs())),
    offlineAfterMs,
  });
  return { outcome: { case: "welcome", value } };
}

function toRefusedReply(refusal: Refusal): Reply {
  return {
    outcome: { case: "refused", value: create(RefusedSchema, refusal) },
    error: toRefusedError(refusal),
  };
}

function toGreeting(
  { hello, welcome, side }: {
    hello: Hello;
    welcome: Welcome;
    side: "agent" | "operator";
  },
): Greeting {
  const { protocolVersion } = welcome;
  const { min, max } = toVersionRange(hello);
  if (protocolVersion < min || protocolVersion > max) {
    throw toRefusedError({
      reason: RefusalReason.VERSION,
      message:
        `Cannot connect to operator ${welcome.operatorVersion}: it chose protocol version ${protocolVersion}, expected ${min} to ${max}`,
    });
  }
  const [own, peer] = side === "agent" ? [hello, welcome] : [welcome, hello];
  return {
    hello,
    welcome,
    protocolVersion,
    capabilities: own.capabilities.filter((each) =>
      peer.capabilities.includes(each)
    ),
    peerCapabilities: peer.capabilities,
    peerInstanceId: peer.instanceId,
    peerPoints: peer.resume,
  };
}

function toVersionRange(hello: Hello): VersionRange {
  const max = hello.protocolVersion;
  return { min: hello.minProtocolVersion || max, max };
}

function toRefusedError({ reason, message }: Refusal): AranyaError {
  const name = toRefusalName(reason);
  return new AranyaError(
    toRefusalCode(reason),
    message || `Cannot connect: the operator refused with reason ${name}`,
    { details: { reason: name } },
  );
}

function toRedirectError({ endpoint }: { endpoint: string }): AranyaError {
  return new AranyaError(
    "unavailable",
    `Cannot connect: the operator redirects to ${endpoint}`,
    { details: { endpoint } },
  );
}

/** Runs the exchange within its limits, and closes the link if it fails. */
async function exchangeHello<T>(
  { link, limits }: { link: Link; limits: GreetingLimits },
  exchange: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, clock, signal } = limits;
  const action = `Cannot connect to ${link.peer}`;
  try {
    return await withDeadline(exchange, { timeoutMs, action, signal, clock });
  } catch (cause) {
    const error = signal?.aborted && cause === signal.reason
      ? new AranyaError("cancelled", `${action}: it was cancelled`, { cause })
      : asAranyaError(cause, action);
    void closeWithGoodbye(link, {
      reason: error.message,
      ...defined({ clock }),
    });
    throw error;
  }
}

async function sendControl(
  link: Link,
  { kind, payload }: { kind: EnvelopeKind; payload: Uint8Array },
): Promise<void> {
  const { maxPacketBytes } = link;
  const packets = toPackets(encodeControl(kind, payload), { maxPacketBytes });
  for (const packet of packets) await link.send(packet);
}

/** Returns the payload of the first envelope, which must be of this kind. */
async function receiveControl(
  link: Link,
  kind: EnvelopeKind,
): Promise<Uint8Array> {
  // Not `for await`: leaving it would end the packets, which the session is going to read.
  const packets = link.packets[Symbol.asyncIterator]();
  const parts = new Reassembler({ maxBytes: MAX_HELLO_BYTES });
  for (;;) {
    const { done, value } = await packets.next();
    if (done) {
      const { reason } = await link.closed;
      throw new AranyaError(
        "unavailable",
        `Cannot connect to ${link.peer}: the link ended: ${reason}`,
      );
    }
    let envelope = decodeEnvelope(value);
    if (envelope.kind === EnvelopeKind.PART) {
      const { payload, complete } = envelope;
      const encoded = parts.push(payload, { complete });
      if (!encoded) continue;
      envelope = decodeEnvelope(encoded);
    }
    if (envelope.kind === kind) return envelope.payload;
    if (envelope.kind === EnvelopeKind.GOODBYE) {
      const { reason } = decodeGoodbye(envelope.payload);
      throw new AranyaError(
        "unavailable",
        `Cannot connect to ${link.peer}: it closed the link: ${reason}`,
      );
    }
    throw new AranyaError(
      "invalid",
      `Cannot connect to ${link.peer}: first packet is of kind ${envelope.kind}, expected ${kind}`,
    );
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The first packet of each side on a sealed link: who is there, what both can do, and whether streams go on. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  equalBytes,
  SYSTEM_CLOCK,
} from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import {
  create,
  decodeEnvelope,
  decodeMessage,
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
  RefusalReason,
  toPackets,
  toRefusalCode,
  toRefusalName,
  type Welcome,
  WelcomeSchema,
} from "../wire/mod.ts";
import { encodeControl } from "./sender.ts";
import type { Greeting, Session } from "./session.ts";

/** Options of {@linkcode greetAsAgent}. */
export interface GreetAsAgentOptions {
  /** The agent's session; its instance and what it has received go into the Hello. */
  session: Session;
  /** What this side can do. */
  capabilities: readonly string[];
  /** This program's version, for people. */
  agentVersion: string;
  /** Names the machine, the same after a reboot. */
  machineId: string;
  /** Names the machine's present run. */
  bootId: string;
  /** For the whole exchange, in milliseconds. @default 10000 */
  timeoutMs?: number;
  /** Time, for every wait. @default the machine's */
  clock?: Clock;
  /** Gives up early. */
  signal?: AbortSignal;
}

/** What the operator says to an agent. */
export type GreetingDecision =
  | {
    /** The device's session: streams go on when both instances are those of before. */
    session: Session;
    capabilities: readonly string[];
    operatorVersion: string;
    /** Silence after which either side gives the link up, in milliseconds. */
    offlineAfterMs: number;
  }
  | { refuse: { reason: RefusalReason; message: string } }
  | { redirect: { endpoint: string } };

/** Options of {@linkcode greetAsOperator}. */
export interface GreetAsOperatorOptions {
  /** Judges the agent's Hello; a rejection refuses it as "overloaded" and is thrown on. */
  decide: (
    hello: Hello,
    signal: AbortSignal,
  ) => Promise<GreetingDecision> | GreetingDecision;
  /** For the whole exchange, in milliseconds. @default 10000 */
  timeoutMs?: number;
  /** Time, for every wait. @default the machine's */
  clock?: Clock;
  /** Gives up early. */
  signal?: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** For an agent that was turned away to read why, before the link is closed. */
const PARTING_MS = 2_000;
const MAX_HELLO_BYTES = 1024 * 1024;

/**
 * Says hello and takes the operator's answer; hand the result to `session.run`. The link is closed when it fails.
 * @throws {AranyaError} refused: "unauthorized", "unsupported", "conflict" or "unavailable", with `details.reason` (e.g. "DUPLICATE_DEVICE");
 * redirected: "unavailable" with `details.endpoint`; "timed_out"; "cancelled"; "unavailable" when the link ended; "invalid" for an
 * answer that is none
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
  return await bounded(link, options, async () => {
    await say(link, EnvelopeKind.HELLO, encodeMessage(HelloSchema, hello));
    const bytes = await hear(link, EnvelopeKind.HELLO_REPLY);
    const { outcome } = decodeMessage(HelloReplySchema, bytes);
    switch (outcome.case) {
      case "welcome":
        return toGreeting({ hello, welcome: outcome.value, side: "agent" });
      case "refused":
        throw toRefusal(outcome.value);
      case "redirect":
        throw toRedirect(outcome.value);
      default:
        throw new AranyaError(
          "invalid",
          `Cannot greet ${link.peer}: its answer is none that we know`,
        );
    }
  });
}

/**
 * Takes an agent's hello and answers what `decide` says; hand the result to the session's `run`. The link is closed when it fails.
 * @throws {AranyaError} what was answered to the agent: refused (code by its reason, `details.reason`), redirected ("unavailable",
 * `details.endpoint`); "timed_out"; "cancelled"; "unavailable" when the link ended; "invalid" for a packet that is no hello; whatever
 * `decide` throws
 */
export async function greetAsOperator(
  link: Link,
  options: GreetAsOperatorOptions,
): Promise<Greeting> {
  const { clock = SYSTEM_CLOCK } = options;
  return await bounded(link, options, async (signal) => {
    const bytes = await hear(link, EnvelopeKind.HELLO);
    const hello = decodeMessage(HelloSchema, bytes);
    const { outcome, failure } = await judge(hello, options, signal);
    await say(
      link,
      EnvelopeKind.HELLO_REPLY,
      encodeMessage(HelloReplySchema, { outcome }),
    );
    if (outcome.case === "welcome") {
      return toGreeting({ hello, welcome: outcome.value, side: "operator" });
    }
    // The agent closes the link when it has read the answer.
    const parting = new AbortController();
    const limit = clock.sleep(PARTING_MS, { signal: parting.signal });
    await Promise.race([link.closed, limit.catch(() => {})]);
    parting.abort();
    throw failure;
  });
}

interface Verdict {
  outcome: Exclude<HelloReply["outcome"], { case: undefined }>;
  /** What the caller sees unless it is a welcome. */
  failure?: unknown;
}

async function judge(
  hello: Hello,
  { decide, clock = SYSTEM_CLOCK }: GreetAsOperatorOptions,
  signal: AbortSignal,
): Promise<Verdict> {
  const version = negotiateVersion(versionsOf(hello));
  if (version === undefined) {
    return refuse({
      reason: RefusalReason.VERSION,
      message:
        `Cannot serve agent ${hello.agentVersion}: it speaks protocol version ${hello.protocolVersion}, expected ${MIN_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}`,
    });
  }
  let decision: GreetingDecision;
  try {
    decision = await decide(hello, signal);
  } catch (error) {
    const message = "Cannot serve agent: the operator can't decide right now";
    const verdict = refuse({ reason: RefusalReason.OVERLOADED, message });
    return { ...verdict, failure: error };
  }
  if ("refuse" in decision) return refuse(decision.refuse);
  if ("redirect" in decision) {
    const { endpoint } = decision.redirect;
    const value = { $typeName: "aranya.v1.Redirect", endpoint } as const;
    return {
      outcome: { case: "redirect", value },
      failure: toRedirect({ endpoint }),
    };
  }
  const { session, capabilities, operatorVersion, offlineAfterMs } = decision;
  const resumed = hello.instanceId.length > 0 &&
    equalBytes(hello.instanceId, session.peerInstanceId) &&
    equalBytes(hello.peerInstanceId, session.instanceId);
  const value = create(WelcomeSchema, {
    protocolVersion: version,
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

function refuse(
  { reason, message }: { reason: RefusalReason; message: string },
): Verdict {
  const value = { $typeName: "aranya.v1.Refused", reason, message } as const;
  return {
    outcome: { case: "refused", value },
    failure: toRefusal({ reason, message }),
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
  const own = versionsOf(hello);
  if (protocolVersion < own.min || protocolVersion > own.max) {
    throw toRefusal({
      reason: RefusalReason.VERSION,
      message:
        `Cannot greet operator ${welcome.operatorVersion}: it chose protocol version ${protocolVersion}, expected ${own.min} to ${own.max}`,
    });
  }
  const [peer, mine] = side === "agent" ? [welcome, hello] : [hello, welcome];
  const peerCapabilities = peer.capabilities;
  return {
    hello,
    welcome,
    protocolVersion,
    capabilities: mine.capabilities.filter((word) =>
      peerCapabilities.includes(word)
    ),
    peerCapabilities,
    peerInstanceId: peer.instanceId,
    peerPoints: peer.resume,
  };
}

function versionsOf(hello: Hello): { min: number; max: number } {
  const max = hello.protocolVersion;
  return { min: hello.minProtocolVersion || max, max };
}

function toRefusal(
  { reason, message }: { reason: RefusalReason; message: string },
): AranyaError {
  const name = toRefusalName(reason);
  return new AranyaError(
    toRefusalCode(reason),
    message || `Cannot connect: the operator refused with ${name}`,
    { details: { reason: name } },
  );
}

function toRedirect({ endpoint }: { endpoint: string }): AranyaError {
  return new AranyaError(
    "unavailable",
    `Cannot connect here: the operator says to go to ${endpoint}`,
    { details: { endpoint } },
  );
}

/** Runs the exchange within its time; closes the link when it fails. */
async function bounded<T>(
  link: Link,
  options: { timeoutMs?: number; clock?: Clock; signal?: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, clock = SYSTEM_CLOCK, signal } =
    options;
  const action = `Cannot greet ${link.peer}`;
  const stop = new AbortController();
  const ended = Promise.withResolvers<never>();
  const onAbort = () =>
    ended.reject(
      new AranyaError("cancelled", `${action}: it was cancelled`, {
        cause: signal?.reason,
      }),
    );
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  clock.sleep(timeoutMs, { signal: stop.signal }).then(
    () =>
      ended.reject(
        new AranyaError(
          "timed_out",
          `${action}: no answer after ${timeoutMs} ms`,
        ),
      ),
    () => {},
  );
  try {
    return await Promise.race([work(stop.signal), ended.promise]);
  } catch (error) {
    const failure = asAranyaError(error, action);
    link.close(failure.message);
    throw failure;
  } finally {
    stop.abort();
    signal?.removeEventListener("abort", onAbort);
  }
}

async function say(
  link: Link,
  kind: EnvelopeKind,
  payload: Uint8Array,
): Promise<void> {
  const { maxPacketBytes } = link;
  const packets = toPackets(encodeControl(kind, payload), { maxPacketBytes });
  for (const packet of packets) await link.send(packet);
}

/** The payload of the first envelope, which must be of this kind; later packets stay in the link. */
async function hear(link: Link, kind: EnvelopeKind): Promise<Uint8Array> {
  // Not `for await`: leaving it would end the link's packets for the session that comes after us.
  const packets = link.packets[Symbol.asyncIterator]();
  const parts = new Reassembler({ maxBytes: MAX_HELLO_BYTES });
  for (;;) {
    const { done, value } = await packets.next();
    if (done) {
      const { reason } = await link.closed;
      throw new AranyaError(
        "unavailable",
        `Cannot greet ${link.peer}: the link ended: ${reason}`,
      );
    }
    let envelope = decodeEnvelope(value);
    if (envelope.kind === EnvelopeKind.PART) {
      const { payload, complete } = envelope;
      const whole = parts.push(payload, { complete });
      if (!whole) continue;
      envelope = decodeEnvelope(whole);
    }
    if (envelope.kind === kind) return envelope.payload;
    throw new AranyaError(
      "invalid",
      `Cannot greet ${link.peer}: its first packet is of kind ${envelope.kind}, expected ${kind}`,
    );
  }
}

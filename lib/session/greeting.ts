// SPDX-License-Identifier: Apache-2.0
/** The first packet of each side on a sealed link: who is there, what both can do, and whether conversations go on. */
import { AranyaError } from "../base/mod.ts";
import type { Link } from "../connectivity/mod.ts";
import type { Hello, RefusalReason } from "../wire/mod.ts";
import type { Greeting, Session } from "./session.ts";

/** Options of {@linkcode greetAsAgent}. */
export interface GreetAsAgentOptions {
  /** The agent's session; its instance and what it has received go into the Hello. */
  session: Session;
  capabilities: readonly string[];
  agentVersion: string;
  machineId: string;
  bootId: string;
  /** For the whole exchange, in milliseconds. @default 10000 */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** What the operator says to an agent. */
export type GreetingDecision =
  | {
    /** The device's session: conversations go on when both instances are those of before. */
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
  signal?: AbortSignal;
}

/**
 * Says hello and takes the operator's answer; hand the result to `session.run`. The link is closed when it fails.
 * @throws {AranyaError} refused: "unauthorized", "unsupported", "conflict" or "unavailable", with `details.reason` (e.g. "DUPLICATE_DEVICE");
 * redirected: "unavailable" with `details.endpoint`; "timed_out"; "unavailable" when the link ended; "invalid" for an answer that is none
 */
export function greetAsAgent(
  link: Link,
  _options: GreetAsAgentOptions,
): Promise<Greeting> {
  throw new AranyaError(
    "unsupported",
    `Cannot greet ${link.peer}: not built yet`,
  );
}

/**
 * Takes an agent's hello and answers what `decide` says; hand the result to the session's `run`. The link is closed when it fails.
 * @throws {AranyaError} what was answered to the agent: refused (code by its reason, `details.reason`), redirected ("unavailable",
 * `details.endpoint`); "timed_out"; "unavailable" when the link ended; "invalid" for a packet that is no hello
 */
export function greetAsOperator(
  link: Link,
  _options: GreetAsOperatorOptions,
): Promise<Greeting> {
  throw new AranyaError(
    "unsupported",
    `Cannot greet ${link.peer}: not built yet`,
  );
}

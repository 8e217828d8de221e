// SPDX-License-Identifier: Apache-2.0
/**
 * Requests and streams multiplexed over one link at a time, with order, flow control, priorities
 * and deadlines; they survive a change of links between the same two processes. The code is the
 * same at both ends. A Link that is encrypted and authenticated comes in; payloads and byte
 * channels come out. This room never looks into a payload, and never opens a link itself.
 *
 * @example
 * ```ts
 * const session = createSession({ side: "operator", handlers, log });
 * const greeting = await greetAsOperator(link, { decide: () => welcome });
 * const ended = session.run(link, greeting);
 * const pods = await session.request(Method.LIST_PODS, payload, { timeoutMs: 5_000 });
 * const stream = session.open(Method.LOGS, encodeMessage(LogsSchema, { follow: true }));
 * for await (const chunk of stream.read(LOGS_CHANNELS.log)) print(chunk);
 * ```
 *
 * @module
 */
export {
  greetAsAgent,
  type GreetAsAgentOptions,
  greetAsOperator,
  type GreetAsOperatorOptions,
  type GreetingDecision,
} from "./greeting.ts";
export { closeWithGoodbye } from "./goodbye.ts";
export { createSession, type CreateSessionOptions } from "./linked_session.ts";
export type * from "./session.ts";

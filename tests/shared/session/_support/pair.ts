// SPDX-License-Identifier: Apache-2.0
/** A session at each end, and links between them. */
import {
  type Clock,
  concatBytes,
  SILENT_LOGGER,
} from "../../../../lib/shared/base/mod.ts";
import type { LinkEnd } from "../../../../lib/shared/link/mod.ts";
import {
  createSession,
  type CreateSessionOptions,
  greetAsAgent,
  greetAsOperator,
  type Greeting,
  type Session,
  type SessionHandlers,
} from "../../../../lib/shared/session/mod.ts";
import { createMemoryLinks, type MemoryLinks } from "./memory_link.ts";

export type LinkOptions = Omit<
  Parameters<typeof createMemoryLinks>[0],
  "clock"
>;

/** Handlers that reject everything. */
export const NO_HANDLERS: SessionHandlers = {
  request: () => Promise.reject(new Error("unexpected request")),
  stream: () => Promise.reject(new Error("unexpected stream")),
};

/** A link on which both sessions run. */
export interface Connection extends MemoryLinks {
  greetings: { operator: Greeting; agent: Greeting };
  /** Resolves when `run` has returned at both ends. */
  ended: Promise<{ operator: LinkEnd; agent: LinkEnd }>;
}

/** Makes a session. */
export function makeSession(
  side: "operator" | "agent",
  options: Partial<CreateSessionOptions> & { clock: Clock },
): Session {
  return createSession({
    side,
    handlers: NO_HANDLERS,
    log: SILENT_LOGGER,
    ...options,
  });
}

/** Exchanges hellos over a new link and runs both sessions on it. */
export async function connect(
  { operator, agent, clock, link = {}, offlineAfterMs = 40_000 }: {
    operator: Session;
    agent: Session;
    clock: Clock;
    link?: LinkOptions;
    offlineAfterMs?: number;
  },
): Promise<Connection> {
  const links = createMemoryLinks({ clock, ...link });
  const greetings = await Promise.all([
    greetAsOperator(links.operator, {
      clock,
      decide: () => ({
        session: operator,
        capabilities: ["exec", "stats"],
        operatorVersion: "0.1.0",
        offlineAfterMs,
      }),
    }),
    greetAsAgent(links.agent, {
      clock,
      session: agent,
      capabilities: ["exec", "pods.v1"],
      agentVersion: "0.1.0",
      machineId: "machine-1",
      bootId: "boot-1",
    }),
  ]);
  const ended = Promise.all([
    operator.run(links.operator, greetings[0]),
    agent.run(links.agent, greetings[1]),
  ]);
  return {
    ...links,
    greetings: { operator: greetings[0], agent: greetings[1] },
    ended: ended.then(([operator, agent]) => ({ operator, agent })),
  };
}

/** All bytes of an iterable in one array. */
export async function gather(
  chunks: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  return concatBytes(await Array.fromAsync(chunks));
}

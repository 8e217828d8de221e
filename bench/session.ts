// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task bench session [seconds]`: throughput of one stream between two sessions in one process
 * over a link in memory, which is the cost of the session alone.
 */
import {
  type Clock,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../lib/shared/base/mod.ts";
import type { Link, LinkEnd } from "../lib/shared/link/mod.ts";
import {
  createSession,
  greetAsAgent,
  greetAsOperator,
  type Session,
  type SessionHandlers,
} from "../lib/shared/session/mod.ts";
import { Method } from "../lib/shared/wire/mod.ts";
import { print } from "../dev/base/terminal.ts";
import { Pipe } from "../dev/base/pipe.ts";

const WRITE_BYTES = 64 * 1024;
const LINK_BUFFER_BYTES = 1024 * 1024;
const CHANNEL = 1;
const NOTHING = new Uint8Array(0);

/** Returns the two ends of a link in memory. */
function createLinks(): { operator: Link; agent: Link } {
  const make = () =>
    new Pipe<Uint8Array>({
      capacity: LINK_BUFFER_BYTES,
      sizeOf: (packet) => packet.length,
    });
  const down = make();
  const up = make();
  const closed = Promise.withResolvers<LinkEnd>();
  const close = (reason: string) => {
    down.end();
    up.end();
    closed.resolve({ reason });
  };
  const base = {
    maxPacketBytes: 1024 * 1024,
    isExclusive: true,
    closed: closed.promise,
    close,
    markAuthenticated() {},
  };
  return {
    operator: {
      ...base,
      peer: "agent",
      send: (packet) => down.write(packet),
      packets: up.readable,
    },
    agent: {
      ...base,
      peer: "operator",
      send: (packet) => up.write(packet),
      packets: down.readable,
    },
  };
}

/** Connects two sessions; closing one ends the link. */
async function connect(operator: Session, agent: Session): Promise<void> {
  const links = createLinks();
  const [down, up] = await Promise.all([
    greetAsOperator(links.operator, {
      decide: () => ({
        session: operator,
        capabilities: [],
        operatorVersion: "bench",
        offlineAfterMs: 40_000,
      }),
    }),
    greetAsAgent(links.agent, {
      session: agent,
      capabilities: [],
      agentVersion: "bench",
      machineId: "bench",
      bootId: "bench",
    }),
  ]);
  void operator.run(links.operator, down);
  void agent.run(links.agent, up);
}

/** Returns handlers of an agent that writes as fast as its stream is read, for the given time. */
function createSource(clock: Clock, durationMs: number): SessionHandlers {
  const chunk = new Uint8Array(WRITE_BYTES).fill(7);
  return {
    request: (_method, payload) => Promise.resolve(payload),
    async stream(_method, _payload, stream) {
      const endMs = clock.monotonicMs() + durationMs;
      while (clock.monotonicMs() < endMs) await stream.write(CHANNEL, chunk);
      await stream.finish(NOTHING);
    },
  };
}

async function measure(seconds: number): Promise<void> {
  const clock = SYSTEM_CLOCK;
  const log = SILENT_LOGGER;
  const operator = createSession({
    side: "operator",
    log,
    handlers: createSource(clock, 0),
  });
  const agent = createSession({
    side: "agent",
    log,
    handlers: createSource(clock, seconds * 1_000),
  });
  await connect(operator, agent);
  const beginMs = clock.monotonicMs();
  const stream = operator.open(Method.EXEC, NOTHING);
  let bytes = 0;
  for await (const chunk of stream.read(CHANNEL)) bytes += chunk.length;
  await stream.result;
  const megabytes = bytes / (clock.monotonicMs() - beginMs) / 1_000;
  print(`one stream, writes of 64 KiB: ${megabytes.toFixed(0)} MB/s`);
  await operator.close();
  await agent.close();
}

if (import.meta.main) await measure(Number(Deno.args[0] ?? 3));

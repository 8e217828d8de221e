// SPDX-License-Identifier: Apache-2.0
/**
 * How many bytes a second one stream carries between two sessions in one process, over a link in memory: the session's own cost.
 * `deno run --allow-env --allow-sys=hostname bench/session.ts [seconds]` (the logging library asks for both)
 */
import {
  type Clock,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
  utf8,
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
import { Pipe } from "../dev/base/pipe.ts";

const WRITE_BYTES = 64 * 1024;
const LINK_BUFFER_BYTES = 1024 * 1024;
const CHANNEL = 1;
const NOTHING = new Uint8Array(0);

/** Two ends of a link that only hands packets over. */
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
  const base = { maxPacketBytes: 1024 * 1024, closed: closed.promise, close };
  return {
    operator: {
      ...base,
      peer: "agent",
      send: down.write,
      packets: up.readable,
    },
    agent: {
      ...base,
      peer: "operator",
      send: up.write,
      packets: down.readable,
    },
  };
}

/** Joins two sessions; they leave the link when one is closed. */
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

/** The agent writes as fast as it is read, for so long. */
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

const seconds = Number(Deno.args[0] ?? 3);
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
await Deno.stdout.write(utf8(
  `one stream, writes of 64 KiB: ${megabytes.toFixed(0)} MB/s\n`,
));
await operator.close();

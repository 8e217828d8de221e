// SPDX-License-Identifier: Apache-2.0
/** logs: writes a container's or the host's log to a stream. */
import { type Clock, defined } from "../../shared/base/mod.ts";
import {
  decodeMessage,
  type Logs,
  LOGS_CHANNELS,
  LogsSchema,
} from "../../shared/wire/mod.ts";
import type { StreamCall, StreamContext } from "./context.ts";
import { resolveTarget } from "./target.ts";

/**
 * Serves METHOD_LOGS.
 * @throws {AranyaError} when there is no such log; the caller resets the stream with it
 */
export async function serveLogs(
  { payload, stream }: StreamCall,
  context: StreamContext,
): Promise<void> {
  const message = decodeMessage(LogsSchema, payload);
  const verb = message.previous ? "previousLogs" : "logs";
  const log = context.streams.logs({
    target: resolveTarget(message.target, { ...context, verb }),
    follow: message.follow,
    timestamps: message.timestamps,
    ...defined({
      tailLines: toNumber(message.tailLines),
      limitBytes: toNumber(message.limitBytes),
      sinceTime: toSinceTime(message, context.clock),
    }),
  }, stream.signal);
  for await (const chunk of log) await stream.write(LOGS_CHANNELS.log, chunk);
  await stream.finish(new Uint8Array());
}

function toNumber(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

/**
 * Returns the time as RFC 3339. A relative time is resolved here, because the times in the log are
 * of this device's clock.
 */
function toSinceTime(message: Logs, clock: Clock): string | undefined {
  const { sinceSeconds, sinceTime } = message;
  if (sinceSeconds !== undefined) {
    return new Date(clock.wallMs() - Number(sinceSeconds) * 1_000)
      .toISOString();
  }
  return sinceTime === "" ? undefined : sinceTime;
}

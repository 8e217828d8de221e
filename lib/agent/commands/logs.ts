// SPDX-License-Identifier: Apache-2.0
/** logs: the bytes of a container's or the host's log into a stream. */
import type { Clock } from "../../shared/base/mod.ts";
import type { LogsRequest } from "../runtime/mod.ts";
import type { Stream } from "../../shared/session/mod.ts";
import { decodeMessage, type Logs, LogsSchema } from "../../shared/wire/mod.ts";
import type { StreamSurroundings } from "./exec.ts";
import { resolveTarget } from "./target.ts";

const CHANNEL = 1;

/** METHOD_LOGS. @throws {AranyaError} when there is no such log; the stream is then to be reset */
export async function serveLogs(
  payload: Uint8Array,
  stream: Stream,
  around: StreamSurroundings & { clock: Clock },
): Promise<void> {
  const call = decodeMessage(LogsSchema, payload);
  const verb = call.previous ? "previousLogs" : "logs";
  const request: LogsRequest = {
    target: resolveTarget(call.target, { ...around, verb }),
    follow: call.follow,
    timestamps: call.timestamps,
    ...toLimits(call, around.clock),
  };
  for await (const chunk of around.streams.logs(request, stream.signal)) {
    await stream.write(CHANNEL, chunk);
  }
  await stream.finish(new Uint8Array());
}

function toLimits(call: Logs, clock: Clock): Partial<LogsRequest> {
  const limits: Partial<LogsRequest> = {};
  if (call.tailLines !== undefined) limits.tailLines = Number(call.tailLines);
  if (call.limitBytes !== undefined) {
    limits.limitBytes = Number(call.limitBytes);
  }
  if (call.sinceTime !== "") limits.sinceTime = call.sinceTime;
  if (call.sinceSeconds !== undefined) {
    // The device's own clock wrote the log's times.
    limits.sinceTime = new Date(
      clock.wallMs() - Number(call.sinceSeconds) * 1_000,
    ).toISOString();
  }
  return limits;
}

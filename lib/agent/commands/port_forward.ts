// SPDX-License-Identifier: Apache-2.0
/** port-forward: connects a stream's channels to one TCP connection in a pod or on the host. */
import {
  decodeMessage,
  PORT_FORWARD_CHANNELS,
  PortForwardSchema,
} from "../../shared/wire/mod.ts";
import type { StreamCall, StreamContext } from "./context.ts";
import { resolveTarget } from "./target.ts";

/**
 * Serves METHOD_PORT_FORWARD.
 * @throws {AranyaError} when nothing listens on the port; the caller resets the stream with it
 */
export async function servePortForward(
  { payload, stream }: StreamCall,
  context: StreamContext,
): Promise<void> {
  const { target, port } = decodeMessage(PortForwardSchema, payload);
  await context.streams.connectPort(
    {
      target: resolveTarget(target, { ...context, verb: "portForward" }),
      port,
    },
    {
      input: stream.read(PORT_FORWARD_CHANNELS.down),
      output: (chunk) => stream.write(PORT_FORWARD_CHANNELS.up, chunk),
      endOutput: () => stream.end(PORT_FORWARD_CHANNELS.up),
      signal: stream.signal,
    },
  );
  await stream.finish(new Uint8Array());
}

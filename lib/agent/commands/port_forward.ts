// SPDX-License-Identifier: Apache-2.0
/** port-forward: a stream's two channels joined to one TCP connection in a pod or on the host. */
import type { Stream } from "../../shared/session/mod.ts";
import { decodeMessage, PortForwardSchema } from "../../shared/wire/mod.ts";
import type { StreamSurroundings } from "./exec.ts";
import { resolveTarget } from "./target.ts";

const DOWN = 0;
const UP = 1;

/** METHOD_PORT_FORWARD. @throws {AranyaError} when nobody answers there; the stream is then to be reset */
export async function servePortForward(
  payload: Uint8Array,
  stream: Stream,
  around: StreamSurroundings,
): Promise<void> {
  const { target, port } = decodeMessage(PortForwardSchema, payload);
  await around.streams.connectPort(
    {
      target: resolveTarget(target, { ...around, verb: "portForward" }),
      port,
    },
    {
      input: stream.read(DOWN),
      output: (chunk) => stream.write(UP, chunk),
      endOutput: () => stream.end(UP),
      signal: stream.signal,
    },
  );
  await stream.finish(new Uint8Array());
}

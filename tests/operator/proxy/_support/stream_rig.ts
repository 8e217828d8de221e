// SPDX-License-Identifier: Apache-2.0
/** A device's stream lane over real sessions and a link in memory; the agent's side is scripted by the test. */
import { SYSTEM_CLOCK, utf8 } from "../../../../lib/shared/base/mod.ts";
import {
  createStreamHandlers,
  type StreamHandlersOptions,
} from "../../../../lib/operator/proxy/handlers.ts";
import type {
  CallIo,
  ExecCall,
  KubeletHandlers,
} from "../../../../lib/operator/kubelet/mod.ts";
import type {
  Session,
  SessionHandlers,
} from "../../../../lib/shared/session/mod.ts";
import {
  connect,
  type Connection,
  makeSession,
  NO_HANDLERS,
} from "../../../shared/session/_support/pair.ts";

/** The pod's container that everything is about. */
export const TARGET = { namespace: "default", pod: "web", container: "app" };

/** See {@linkcode makeStreamBench}. */
export interface StreamBench extends AsyncDisposable {
  handlers: KubeletHandlers;
  operator: Session;
  connection: Connection;
}

/** Connects two sessions; the agent's answers with these handlers. */
export async function makeStreamBench(
  agentHandlers: Partial<SessionHandlers>,
  options: Partial<StreamHandlersOptions> = {},
): Promise<StreamBench> {
  const clock = SYSTEM_CLOCK;
  const operator = makeSession("operator", { clock });
  const agent = makeSession("agent", {
    clock,
    handlers: { ...NO_HANDLERS, ...agentHandlers },
  });
  const connection = await connect({ operator, agent, clock });
  return {
    operator,
    connection,
    handlers: createStreamHandlers({
      device: "edge-1",
      session: operator,
      offlineSinceMs: () => undefined,
      findTarget: ({ container }) => ({
        podUid: "u-1",
        container: container || "app",
      }),
      listPods: ({ running }) => ({ items: [running] }),
      nameOfPod: () => undefined,
      ...options,
    }),
    async [Symbol.asyncDispose]() {
      await Promise.all([operator.close(), agent.close()]);
      await connection.ended;
    },
  };
}

/** A client's side of a command: what it sends, and what has come to it. */
export interface ScriptedClient {
  io: CallIo;
  out: string;
  err: string;
  leave(): void;
}

/** Makes a client that sends these chunks and sizes. */
export function makeClient(
  { stdin = [], sizes = [] }: {
    stdin?: string[];
    sizes?: { width: number; height: number }[];
  } = {},
): ScriptedClient {
  const left = new AbortController();
  const client: ScriptedClient = {
    out: "",
    err: "",
    leave: () => left.abort(new Error("client left")),
    io: {
      stdin: (async function* () {
        for (const text of stdin) yield utf8(text);
      })(),
      stdout: (chunk) => {
        client.out += new TextDecoder().decode(chunk);
        return Promise.resolve();
      },
      stderr: (chunk) => {
        client.err += new TextDecoder().decode(chunk);
        return Promise.resolve();
      },
      resizes: (async function* () {
        yield* sizes;
      })(),
      signal: left.signal,
    },
  };
  return client;
}

/** An exec with all streams. */
export function makeExec(
  client: ScriptedClient,
  more: Partial<ExecCall> = {},
): ExecCall {
  return {
    target: TARGET,
    command: ["cat"],
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
    io: client.io,
    ...more,
  };
}

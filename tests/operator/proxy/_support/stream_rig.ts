// SPDX-License-Identifier: Apache-2.0
/**
 * A device's kubelet API handlers over real sessions and a link in memory; the agent's answers come
 * from the test.
 */
import { SYSTEM_CLOCK, utf8 } from "../../../../lib/shared/base/mod.ts";
import {
  DeviceHandlers,
  type DeviceHandlersOptions,
} from "../../../../lib/operator/proxy/handlers.ts";
import type {
  ContainerTarget,
  LinkState,
  PodDirectory,
} from "../../../../lib/operator/pods/mod.ts";
import type {
  ExecIo,
  ExecRequest,
  PodTarget,
} from "../../../../lib/shared/exec/mod.ts";
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

/** See {@linkcode makeStreamRig}. */
export interface StreamRig extends AsyncDisposable {
  handlers: DeviceHandlers;
  operator: Session;
  connection: Connection;
}

/** Connects two sessions; the agent's answers with these handlers. */
export async function makeStreamRig(
  agentHandlers: Partial<SessionHandlers>,
  options: Partial<DeviceHandlersOptions> = {},
): Promise<StreamRig> {
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
    handlers: new DeviceHandlers({
      device: "edge-1",
      session: operator,
      link: linkOf(operator),
      pods: makeDirectory(),
      settings: { requestTimeoutMs: 5_000 },
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
  io: ExecIo;
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
  changes: Partial<ExecRequest<PodTarget>> = {},
): ExecRequest<PodTarget> {
  return {
    target: TARGET,
    command: ["cat"],
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
    ...changes,
  };
}

/** A directory in which every target is found; `container` changes what is found. */
export function makeDirectory(
  container: Partial<ContainerTarget> = {},
): PodDirectory {
  return {
    findContainer: (target) => ({
      podUid: "u-1",
      container: target.container || "app",
      running: true,
      hasPrevious: false,
      ...container,
    }),
    list: () => ({
      kind: "PodList",
      apiVersion: "v1",
      metadata: {},
      items: [],
    }),
    nameOf: () => undefined,
  };
}

/** The state of a session's link; a device that is offline is not expected back. */
export function linkOf(session: Session): LinkState {
  return {
    get connected() {
      return session.connected;
    },
    offlineSinceMs: undefined,
    mayReturn: false,
  };
}

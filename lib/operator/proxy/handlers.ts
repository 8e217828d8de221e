// SPDX-License-Identifier: Apache-2.0
/** Answers of one device to the kubelet API, relayed over its session. */
import { type Clock, defined, SYSTEM_CLOCK } from "../../shared/base/mod.ts";
import type {
  AttachRequest,
  ExecIo,
  ExecRequest,
  ExecStreams,
  ExitStatus,
  ForwardedPort,
  LogsRequest,
  PodTarget,
} from "../../shared/exec/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  AttachSchema,
  decodeMessage,
  encodeMessage,
  ExecSchema,
  ExitStatusSchema,
  LogsSchema,
  Method,
  PortForwardSchema,
  StatsSchema,
} from "../../shared/wire/mod.ts";
import type {
  ForwardPort,
  KubeletHandlers,
  RunCommand,
  StatsSummary,
} from "../kubelet/mod.ts";
import type { LinkState, PodDirectory, PodSettings } from "../pods/mod.ts";
import { Locator } from "./locator.ts";
import { openLog } from "./logs.ts";
import { pumpCommand, pumpConnection } from "./pump.ts";
import { SummaryMaker } from "./stats.ts";

/** Options of {@linkcode DeviceHandlers}. */
export interface DeviceHandlersOptions {
  /** Name of the device, which is its Node's name too. */
  device: string;
  session: Session;
  link: LinkState;
  /** The device's pods, with its virtual pod. */
  pods: PodDirectory;
  settings: Pick<PodSettings, "requestTimeoutMs">;
  clock?: Clock;
}

/** Upper bound of one statistics request, in milliseconds: metrics-server gives up after 10 s. */
const STATS_TIMEOUT_MS = 10_000;

/**
 * Locates the containers that kubelet API calls name, and relays the calls as requests and streams
 * of the device's session.
 */
export class DeviceHandlers implements KubeletHandlers {
  readonly #session: Session;
  readonly #pods: PodDirectory;
  readonly #settings: Pick<PodSettings, "requestTimeoutMs">;
  readonly #locator: Locator;
  readonly #summaries: SummaryMaker;

  constructor(options: DeviceHandlersOptions) {
    const { device, link, pods, clock = SYSTEM_CLOCK } = options;
    this.#session = options.session;
    this.#pods = pods;
    this.#settings = options.settings;
    this.#locator = new Locator({ device, link, pods, clock });
    this.#summaries = new SummaryMaker({ nodeName: device, pods });
  }

  async exec(request: ExecRequest<PodTarget>): Promise<RunCommand> {
    const { target, action } = await this.#locator.locate(
      request.target,
      "exec",
    );
    const { command, stdin, stdout, stderr, tty } = request;
    const payload = encodeMessage(ExecSchema, {
      target,
      command,
      stdin,
      stdout,
      stderr,
      tty,
    });
    return (io) =>
      this.#run(io, { method: Method.EXEC, payload, streams: request, action });
  }

  async attach(request: AttachRequest<PodTarget>): Promise<RunCommand> {
    const { target, action } = await this.#locator.locate(
      request.target,
      "attach",
    );
    const { stdin, stdout, stderr, tty } = request;
    const payload = encodeMessage(AttachSchema, {
      target,
      stdin,
      stdout,
      stderr,
      tty,
    });
    return (io) =>
      this.#run(io, {
        method: Method.ATTACH,
        payload,
        streams: request,
        action,
      });
  }

  async portForward(podTarget: PodTarget): Promise<ForwardPort> {
    const { target, action } = await this.#locator.locate(
      podTarget,
      "portForward",
    );
    return async (connection: ForwardedPort) => {
      // kubectl port-forward runs for hours: the device may have disconnected since it was located.
      await this.#locator.waitForLink(action);
      const stream = this.#session.open(
        Method.PORT_FORWARD,
        encodeMessage(PortForwardSchema, { target, port: connection.port }),
        { signal: connection.signal },
      );
      await pumpConnection(stream, { io: connection, action });
    };
  }

  async logs(
    request: LogsRequest<PodTarget>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { target, action } = await this.#locator.locateLog(request);
    const stream = this.#session.open(
      Method.LOGS,
      encodeMessage(LogsSchema, { target, ...toWireOptions(request) }),
      { signal },
    );
    return await openLog(stream, { action });
  }

  pods(options: { running: boolean }): Promise<unknown> {
    return Promise.resolve(this.#pods.list(options));
  }

  async stats(signal: AbortSignal): Promise<StatsSummary> {
    await this.#locator.waitForLink(
      `Cannot read statistics of node ${JSON.stringify(this.#locator.device)}`,
    );
    const answer = await this.#session.request(
      Method.GET_STATS,
      new Uint8Array(),
      {
        timeoutMs: Math.min(STATS_TIMEOUT_MS, this.#settings.requestTimeoutMs),
        signal,
      },
    );
    return this.#summaries.summarize(decodeMessage(StatsSchema, answer));
  }

  async #run(
    io: ExecIo,
    { method, payload, streams, action }: {
      method: Method;
      payload: Uint8Array;
      streams: ExecStreams;
      action: string;
    },
  ): Promise<ExitStatus> {
    // A client may take seconds to open its streams: the link may be lost by then.
    await this.#locator.waitForLink(action);
    const stream = this.#session.open(method, payload, { signal: io.signal });
    const { stdin, tty } = streams;
    const last = await pumpCommand(stream, { io, stdin, tty, action });
    const { code, reason, message } = decodeMessage(ExitStatusSchema, last);
    return { code, ...reason && { reason }, ...message && { message } };
  }
}

function toWireOptions(request: LogsRequest<PodTarget>) {
  const { follow, previous, timestamps, sinceTime } = request;
  return {
    follow,
    previous,
    timestamps,
    ...defined({
      tailLines: toBigInt(request.tailLines),
      limitBytes: toBigInt(request.limitBytes),
      sinceSeconds: toBigInt(request.sinceSeconds),
      sinceTime,
    }),
  };
}

function toBigInt(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}

// SPDX-License-Identifier: Apache-2.0
/** The stream lane: what the kubelet face asks of a device, carried over its session. */
import {
  AranyaError,
  type Clock,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import type {
  ExecCall,
  ExitStatus,
  KubeletHandlers,
  LogsCall,
  PodTarget,
} from "../kubelet/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  AttachSchema,
  create,
  decodeMessage,
  encodeMessage,
  ExecSchema,
  ExitStatusSchema,
  LogsSchema,
  Method,
  PortForwardSchema,
  StatsSchema,
} from "../../shared/wire/mod.ts";
import { openLog } from "./logs.ts";
import { pumpCommand, pumpConnection } from "./pump.ts";
import { createSummaryMaker } from "./stats.ts";

/** Options of {@linkcode createStreamHandlers}. */
export interface StreamHandlersOptions {
  /** The device's name, which is its node's too. */
  device: string;
  session: Session;
  /** Since when the device is away, in wall-clock milliseconds; undefined: connected, or never seen. */
  offlineSinceMs(): number | undefined;
  /** Whether a device that is away may be back within moments, so that a call waits a little. @default never */
  mayReturn?(): boolean;
  /** Bound of one request to the device, in milliseconds. */
  requestTimeoutMs?(): number;
  /**
   * Finds what a URL names, in the operator's own stores; an empty container means the pod's default one.
   * @throws {AranyaError} "not_found" for a pod or container that isn't there
   */
  findTarget(target: PodTarget): Promise<StreamTarget> | StreamTarget;
  /** PodList object for /pods (`running: false`) and /runningpods. */
  listPods(options: { running: boolean }): Promise<unknown> | unknown;
  /** Names a pod by its UID, for statistics; undefined: not known, left out. */
  nameOfPod(uid: string): { namespace: string; name: string } | undefined;
  clock?: Clock;
}

/** What a URL's names stand for. */
export interface StreamTarget {
  /** Empty for the virtual pod: the device's host. */
  podUid: string;
  /** The container's name, never empty. */
  container: string;
  /** Set: the container waits, with this reason (ContainerCreating, …). */
  waiting?: { reason: string; message: string };
  /** Whether there is an earlier instance of the container whose log could be asked for. */
  hasPrevious?: boolean;
  /** Whether the container runs now. */
  running?: boolean;
}

type Verb = "exec" | "attach" | "portForward" | "logs" | "stats";

const STATS_TIMEOUT_MS = 10_000;
const LINK_WAIT_MS = 5_000;
const LINK_POLL_MS = 100;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Handlers of one device, for its kubelet server. */
export function createStreamHandlers(
  options: StreamHandlersOptions,
): KubeletHandlers {
  const { session, device } = options;
  const summaries = createSummaryMaker({ ...options, nodeName: device });
  /** The wire's target, once all is well with pod, container and device. */
  const locate = async (target: PodTarget, verb: Verb) => {
    const found = await options.findTarget(target);
    const action = toAction(verb, { ...target, container: found.container });
    await waitForLink(options);
    checkConnected(action, options);
    if (verb === "exec" || verb === "attach") checkRuns(found, action);
    const pod = `${target.namespace}/${target.pod}`;
    const { podUid, container } = found;
    return { found, action, wire: { podUid, container, pod } };
  };
  return {
    check: async (target, verb) => void await locate(target, verb),
    async exec(call) {
      const { wire, action } = await locate(call.target, "exec");
      const { command, stdin, stdout, stderr, tty } = call;
      const message = create(ExecSchema, {
        target: wire,
        command,
        stdin,
        stdout,
        stderr,
        tty,
      });
      return await run(call, {
        method: Method.EXEC,
        payload: encodeMessage(ExecSchema, message),
        action,
      });
    },
    async attach(call) {
      const { wire, action } = await locate(call.target, "attach");
      const { stdin, stdout, stderr, tty } = call;
      const message = create(AttachSchema, {
        target: wire,
        stdin,
        stdout,
        stderr,
        tty,
      });
      return await run(call, {
        method: Method.ATTACH,
        payload: encodeMessage(AttachSchema, message),
        action,
      });
    },
    async logs(call) {
      const { wire, action, found } = await locate(call.target, "logs");
      checkHasLog(found, call);
      const message = create(LogsSchema, {
        target: wire,
        ...toLogOptions(call),
      });
      const stream = session.open(
        Method.LOGS,
        encodeMessage(LogsSchema, message),
        {
          signal: call.signal,
        },
      );
      return await openLog(stream, { action });
    },
    async portForward(call) {
      const { wire, action } = await locate(call.target, "portForward");
      const message = create(PortForwardSchema, {
        target: wire,
        port: call.port,
      });
      const stream = session.open(
        Method.PORT_FORWARD,
        encodeMessage(PortForwardSchema, message),
        { signal: call.signal },
      );
      await pumpConnection(stream, { ...call, action });
    },
    pods: async (which) => await options.listPods(which),
    async stats(signal) {
      await waitForLink(options);
      checkConnected(
        `Cannot read statistics of node ${quote(device)}`,
        options,
      );
      const answer = await session.request(Method.GET_STATS, new Uint8Array(), {
        timeoutMs: Math.min(
          STATS_TIMEOUT_MS,
          options.requestTimeoutMs?.() ?? STATS_TIMEOUT_MS,
        ),
        signal,
      });
      return summaries.toSummary(decodeMessage(StatsSchema, answer));
    },
  };

  async function run(
    call: Omit<ExecCall, "command">,
    { method, payload, action }: {
      method: Method;
      payload: Uint8Array;
      action: string;
    },
  ): Promise<ExitStatus> {
    const { io, stdin, tty } = call;
    const stream = session.open(method, payload, { signal: io.signal });
    const last = await pumpCommand(stream, { io, stdin, tty, action });
    const { code, reason, message } = decodeMessage(ExitStatusSchema, last);
    return { code, ...reason && { reason }, ...message && { message } };
  }
}

function toAction(verb: Verb, target: PodTarget): string {
  const pod = quote(`${target.namespace}/${target.pod}`);
  const container = `container ${quote(target.container)} of pod ${pod}`;
  switch (verb) {
    case "exec":
      return `Cannot exec in ${container}`;
    case "attach":
      return `Cannot attach to ${container}`;
    case "logs":
      return `Cannot read log of ${container}`;
    default:
      return `Cannot forward ports of pod ${pod}`;
  }
}

/** After a short break the device dials again by itself. */
async function waitForLink(options: StreamHandlersOptions): Promise<void> {
  const { session, mayReturn, clock = SYSTEM_CLOCK } = options;
  const endMs = clock.monotonicMs() + LINK_WAIT_MS;
  while (
    !session.connected && mayReturn?.() && clock.monotonicMs() < endMs
  ) await clock.sleep(LINK_POLL_MS);
}

function checkConnected(action: string, options: StreamHandlersOptions): void {
  const { device, session, clock = SYSTEM_CLOCK } = options;
  const sinceMs = options.offlineSinceMs();
  if (session.connected) return;
  const state = sinceMs === undefined
    ? "is not connected"
    : `has been offline since ${toShortTime(sinceMs, clock.wallMs())}`;
  throw new AranyaError(
    "unavailable",
    `${action}: device ${quote(device)} ${state}`,
  );
}

/** `12:03:11Z` within the last day, else with the date. */
function toShortTime(timeMs: number, nowMs: number): string {
  const text = new Date(timeMs).toISOString().replace(/\.\d+Z$/, "Z");
  return nowMs - timeMs < DAY_MS ? text.slice(11) : text;
}

function checkRuns(found: StreamTarget, action: string): void {
  if (found.running !== false) return;
  const state = found.waiting
    ? `it waits with reason ${found.waiting.reason}`
    : "it does not run";
  throw new AranyaError("not_found", `${action}: ${state}`);
}

/** In the words of a kubelet: scripts look for them. */
function checkHasLog(found: StreamTarget, call: LogsCall): void {
  const object = `container ${quote(found.container)} in pod ${
    quote(call.target.pod)
  }`;
  if (call.previous && found.hasPrevious === false) {
    throw new AranyaError(
      "invalid",
      `previous terminated ${object} not found`,
    );
  }
  // A container that waits to be started again has the log of its last instance.
  if (call.previous || !found.waiting || found.hasPrevious) return;
  throw new AranyaError(
    "invalid",
    `${object} is waiting to start: ${toWaitingText(found.waiting.reason)}`,
  );
}

function toWaitingText(reason: string): string {
  if (reason === "ErrImagePull") return "image can't be pulled";
  if (reason === "ImagePullBackOff") {
    return "trying and failing to pull image";
  }
  return reason;
}

function toLogOptions(call: LogsCall) {
  const { tailLines, limitBytes, sinceSeconds, sinceTime } = call;
  return {
    follow: call.follow,
    previous: call.previous,
    timestamps: call.timestamps,
    ...tailLines !== undefined && { tailLines: BigInt(tailLines) },
    ...limitBytes !== undefined && { limitBytes: BigInt(limitBytes) },
    ...sinceSeconds !== undefined && { sinceSeconds: BigInt(sinceSeconds) },
    ...sinceTime !== undefined && { sinceTime },
  };
}

function quote(text: string): string {
  return JSON.stringify(text);
}

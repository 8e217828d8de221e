// SPDX-License-Identifier: Apache-2.0
/**
 * One device's link: who may take it, what the device says over it, and what it is told after each hello.
 * States: never (no link in this process yet), up, down. Only `#setState` changes them.
 */
import { type AranyaError, createBackoff } from "../../shared/base/mod.ts";
import type { Link } from "../../shared/link/mod.ts";
import type { EdgeDevice, ReportedFacts } from "../kube/mod.ts";
import {
  createSession,
  greetAsOperator,
  type Greeting,
  type GreetingDecision,
  type Session,
} from "../../shared/session/mod.ts";
import {
  CAPABILITIES,
  type Configure,
  ConfigureSchema,
  encodeMessage,
  type Facts,
  type Hello,
  Method,
  RefusalReason,
} from "../../shared/wire/mod.ts";
import type { DeviceContext } from "./context.ts";
import type { DeviceInbox } from "./reports.ts";
import { toInboxHandlers } from "./reports.ts";
import type { MeasuredCondition } from "./node.ts";
import { type ConnectedCondition, fromFacts, fromMeasured } from "./status.ts";

/** What the operator can do, for the Welcome. */
export const OPERATOR_CAPABILITIES: readonly string[] = [
  CAPABILITIES.pods,
];

/** An agent dials again every 3 s at most in the first minute. */
const RETURN_MS = 30_000;

type State =
  | { kind: "never" }
  | { kind: "up"; link: Link; hello: Hello; sinceMs: number }
  | { kind: "down"; reason: string; sinceMs: number; monotonicMs: number };

/** Options of {@linkcode DeviceLink}. */
export interface DeviceLinkOptions {
  device: string;
  context: DeviceContext;
  inbox: Omit<DeviceInbox, "onFacts">;
  offlineAfterMs: () => number;
  requestTimeoutMs: () => number;
  /** The device is there and configured. */
  onReady: (capabilities: readonly string[]) => void;
  /** It has been away for `offlineAfter`. */
  onGone: () => void;
  /** Something that status or Node shows has changed. */
  onChange: () => void;
}

/** See the file's first lines. */
export class DeviceLink {
  readonly session: Session;
  readonly #options: DeviceLinkOptions;
  #state: State = { kind: "never" };
  #goneTimer: ReturnType<typeof setTimeout> | undefined;
  #rival: { machine: string; atMs: number } | undefined;
  #facts: Facts | undefined;
  #hello: Hello | undefined;
  #machine: string | undefined;
  #wanted: Configure | undefined;
  readonly #configureWaits = new Set<() => void>();
  #closed = false;

  constructor(options: DeviceLinkOptions) {
    this.#options = options;
    const { context, device } = options;
    this.session = createSession({
      side: "operator",
      handlers: toInboxHandlers(device, {
        ...options.inbox,
        onFacts: (facts) => this.#onFacts(facts),
      }),
      log: context.log.with({ device }),
      meter: context.meter,
      clock: context.clock,
      offlineAfterMs: options.offlineAfterMs(),
    });
  }

  /** Whether a link is up. */
  get up(): boolean {
    return this.#state.kind === "up";
  }

  /** Version of the agent that spoke last in this process. */
  get agentVersion(): string | undefined {
    return this.#hello?.agentVersion;
  }

  /** The device's last report in this process. */
  get reported(): ReportedFacts | undefined {
    return this.#facts && fromFacts(this.#facts, this.#hello);
  }

  /** What it has; undefined: it has not said in this process. */
  get size(): { cpuMillis: number; memoryBytes: number } | undefined {
    return this.#facts && {
      cpuMillis: this.#facts.cpuMillis,
      memoryBytes: Number(this.#facts.memoryBytes),
    };
  }

  /** What it measured; undefined while the link is down or it has not said. */
  get measured(): MeasuredCondition[] | undefined {
    return this.up && this.#facts ? fromMeasured(this.#facts) : undefined;
  }

  /** Another machine with the same credential that was refused within the last five minutes. */
  get rival(): string | undefined {
    const { clock } = this.#options.context;
    return this.#rival && clock.monotonicMs() - this.#rival.atMs < 300_000
      ? this.#rival.machine
      : undefined;
  }

  /** Since when it is away, in wall-clock milliseconds; undefined: it is there, or was never seen by this process. */
  get offlineSinceMs(): number | undefined {
    return this.#state.kind === "down" ? this.#state.sinceMs : undefined;
  }

  /** Whether it may be back within moments: its link has just gone, or this process has just begun to lead. */
  mayReturn(edge: EdgeDevice): boolean {
    const state = this.#state;
    const nowMs = this.#options.context.clock.monotonicMs();
    return state.kind === "down"
      ? nowMs - state.monotonicMs < RETURN_MS
      : state.kind === "never" && this.stateOf(edge).connected;
  }

  /** For the condition Connected. Until the grace is over, what a former leader wrote is believed. */
  stateOf(edge: EdgeDevice): ConnectedCondition {
    const state = this.#state;
    if (state.kind === "up") {
      return {
        connected: true,
        reason: "LinkUp",
        message: "the device's agent is connected",
      };
    }
    if (state.kind === "down") {
      return {
        connected: false,
        reason: "LinkLost",
        message: `the link ended: ${state.reason}`,
      };
    }
    const found = edge.status?.conditions?.find(({ type }) =>
      type === "Connected"
    );
    const { clock, graceUntilMs } = this.#options.context;
    if (found?.status === "True") {
      const { reason = "LinkUp", message = "" } = found;
      return clock.monotonicMs() < graceUntilMs
        ? { connected: true, reason, message }
        : {
          connected: false,
          reason: "LinkLost",
          message: "the device has not come back after the operator's start",
        };
    }
    return found?.reason === "LinkLost"
      ? {
        connected: false,
        reason: found.reason,
        message: found.message ?? "",
      }
      : {
        connected: false,
        reason: "NeverConnected",
        message: "the device's agent has not connected yet",
      };
  }

  /**
   * Greets an agent on a sealed link and runs it until it ends. Never rejects: troubles are logged, and told to the agent.
   */
  async accept(link: Link, signal: AbortSignal): Promise<void> {
    const { context, device } = this.#options;
    const log = context.log.with({ device, link: link.peer });
    let greeting: Greeting;
    try {
      greeting = await greetAsOperator(link, {
        signal,
        decide: (hello) => this.#decide(hello),
      });
    } catch (error) {
      log.warn("agent was not welcomed", { error });
      return;
    }
    if (this.#closed) return link.close("the device is no longer served");
    this.#hello = greeting.hello;
    this.#machine = greeting.hello.machineId;
    this.#setState({
      kind: "up",
      link,
      hello: greeting.hello,
      sinceMs: context.clock.wallMs(),
    });
    log.info("link is up", { version: greeting.hello.agentVersion });
    const over = new AbortController();
    const configuring = this.#keepConfigured(
      greeting.peerCapabilities,
      over.signal,
    );
    let reason = "it broke";
    try {
      ({ reason } = await this.session.run(link, greeting));
    } catch (error) {
      log.error("link failed", { error });
      link.close("internal error");
    }
    over.abort();
    this.#wakeConfiguring();
    await configuring;
    const state = this.#state;
    if (state.kind === "up" && state.link === link) {
      log.info("link is down", { reason });
      this.#setState({
        kind: "down",
        reason,
        sinceMs: context.clock.wallMs(),
        monotonicMs: context.clock.monotonicMs(),
      });
    }
  }

  /** What the device is to be told; sent again when it changes and after each hello. */
  configure(wanted: Configure): void {
    this.#wanted = wanted;
    this.#wakeConfiguring();
  }

  /** Ends the link that is up, if one is. */
  end(reason: string): void {
    if (this.#state.kind === "up") this.#state.link.close(reason);
  }

  /** Ends the link and every stream. */
  async close(error: AranyaError): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#goneTimer);
    await this.session.close(error);
    this.end(error.message);
  }

  #decide(hello: Hello): GreetingDecision {
    const { context, device, offlineAfterMs } = this.#options;
    const state = this.#state;
    const held = state.kind === "up" ||
      (state.kind === "down" &&
        context.clock.monotonicMs() - state.monotonicMs < offlineAfterMs());
    if (held && this.#machine && hello.machineId !== this.#machine) {
      this.#rival = {
        machine: hello.machineId,
        atMs: context.clock.monotonicMs(),
      };
      this.#options.onChange();
      return {
        refuse: {
          reason: RefusalReason.DUPLICATE_DEVICE,
          message:
            `Cannot connect device "${device}": another machine with the same credential is in control`,
        },
      };
    }
    return {
      session: this.session,
      capabilities: OPERATOR_CAPABILITIES,
      operatorVersion: context.operatorVersion,
      offlineAfterMs: offlineAfterMs(),
    };
  }

  #onFacts(facts: Facts): void {
    this.#facts = facts;
    this.#options.onChange();
  }

  #setState(state: State): void {
    const { onGone, onChange, offlineAfterMs } = this.#options;
    this.#state = state;
    clearTimeout(this.#goneTimer);
    if (state.kind === "down" && !this.#closed) {
      this.#goneTimer = setTimeout(onGone, offlineAfterMs());
    }
    if (!this.#closed) onChange();
  }

  /** Tells the device its configuration, then that pods may come; again whenever it changes. */
  async #keepConfigured(
    capabilities: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const { context, device, onReady } = this.#options;
    const backoff = createBackoff({
      initialDelayMs: 500,
      maxDelayMs: 30_000,
      jitter: 0.5,
    });
    let sent: Configure | undefined;
    let told = false;
    while (!signal.aborted) {
      const wanted = this.#wanted;
      let waitMs: number | undefined;
      if (wanted && wanted !== sent) {
        try {
          await this.#send(wanted, signal);
          sent = wanted;
          backoff.reset();
          if (!told) onReady(capabilities);
          told = true;
        } catch (error) {
          if (signal.aborted) return;
          waitMs = backoff.next();
          context.log.warn("device was not configured", { device, error });
        }
      }
      if (this.#wanted === sent || waitMs !== undefined) {
        await this.#waitForWish(waitMs);
      }
    }
  }

  async #send(wanted: Configure, signal: AbortSignal): Promise<void> {
    await this.session.request(
      Method.CONFIGURE,
      encodeMessage(ConfigureSchema, wanted),
      { timeoutMs: this.#options.requestTimeoutMs(), signal },
    );
  }

  #waitForWish(waitMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#configureWaits.delete(wake);
        resolve();
      };
      const timer = waitMs === undefined ? undefined : setTimeout(wake, waitMs);
      this.#configureWaits.add(wake);
    });
  }

  #wakeConfiguring(): void {
    for (const wake of [...this.#configureWaits]) wake();
  }
}

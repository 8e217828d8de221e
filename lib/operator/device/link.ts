// SPDX-License-Identifier: Apache-2.0
/** The link of one device. */
import { isDeepStrictEqual } from "node:util";
import {
  AranyaError,
  asAranyaError,
  type BytePace,
  type Logger,
  LogLimit,
  MEBIBYTE,
  onAbort,
  Sequencer,
  waitAtMost,
} from "../../shared/base/mod.ts";
import { FairSlots } from "../../shared/guard/mod.ts";
import type { Link } from "../../shared/link/mod.ts";
import type { EdgeDevice, ReportedFacts } from "../kube/mod.ts";
import {
  closeWithGoodbye,
  createSession,
  greetAsOperator,
  type Greeting,
  type GreetingDecision,
  type Session,
} from "../../shared/session/mod.ts";
import {
  type Blobs,
  CAPABILITIES,
  type Configure,
  type Facts,
  type FetchBlobs,
  type Hello,
  RefusalReason,
} from "../../shared/wire/mod.ts";
import type { PodNode } from "../pods/mod.ts";
import { ConfigurationSender } from "./configuration.ts";
import type { DeviceContext, DeviceSettings } from "./context.ts";
import { type MeasuredCondition, PRESSURE_CONDITIONS } from "./node.ts";
import { type ReportReceiver, toReportHandlers } from "./reports.ts";
import { type ConnectedCondition, fromFacts, fromMeasured } from "./status.ts";

/** Capabilities of the operator, sent in its Welcome. */
const OPERATOR_CAPABILITIES: readonly string[] = [CAPABILITIES.pods];

/**
 * How long a device whose link was lost is expected back. Its agent retries every 3 s in the first
 * minute.
 */
const RECONNECT_MS = 30_000;
/** Reason of the condition Connected before the first link. */
export const NEVER_CONNECTED = "NeverConnected";
/** Why an agent is refused that completed the handshake with a key that is no longer accepted. */
const CREDENTIAL_CHANGED = "the device's credential has just been changed";
/** Why an agent is refused that may connect when the EdgeDevice is changed. */
const METHOD_NOT_SUPPORTED =
  "the connectivity method of its EdgeDevice is not supported";
/**
 * Upper bound of links between handshake and welcome: one, the next after it broke, and those of a
 * second machine. Each may hold a Hello.
 */
const MAX_GREETINGS = 4;
/** What a new link costs of the device's pace, for the work that it causes. */
const LINK_COST_BYTES = 32 * 1024;
/** An agent waits 10 s for its welcome. */
const MAX_GREETING_DELAY_MS = 5_000;
/** What a field of a report or of a Hello costs of it, however short it is encoded. */
const FIELD_COST_BYTES = 64;
/** Agents fetch contents one response after the other, and each has up to 2 MiB. */
const MAX_UNREAD_RESPONSE_BYTES = 4 * MEBIBYTE;
/** Why a link is closed before its welcome. */
const TOO_MANY_LINKS = "too many links of the device are being opened";
/** Why a second machine is refused. */
const OTHER_MACHINE = "another machine with the same credential is connected";
/** How long a refused second machine is reported. */
const DUPLICATE_REPORT_MS = 300_000;

/** The device that a link belongs to: what the link reads of it, and its events. */
export interface DeviceLinkOwner
  extends Omit<ReportReceiver, "onFactsReported" | "onFieldsReceived"> {
  /** Name of the device. */
  readonly name: string;
  /** Read anew on each use. */
  readonly settings: DeviceSettings;
  /** Whether this version implements the device's connectivity method. */
  readonly isServed: boolean;
  /** Returns whether an agent may prove itself with this key now. */
  acceptsKey(key: Uint8Array): boolean;
  /** A link is up whose agent proved to have this key. */
  onLinkUp(key: Uint8Array): void;
  /** An agent with the device's key speaks no protocol version that is supported. */
  onVersionUnsupported(message: string): void;
  /** The device is connected and configured; called once for each hello. */
  onConnected(capabilities: readonly string[]): void;
  /** The device has been without a link for `offlineAfter`. */
  onOffline(): void;
  /** Something that status, Node or virtual pod show has changed. */
  onStateChanged(): void;
  /** What the device's owner allows pods to do has changed. */
  onPodSwitchesChanged(): void;
}

/** "never": there was no link in this process yet. Only `#setState` changes the state. */
type State =
  | { kind: "never" }
  | { kind: "up"; link: Link; key: Uint8Array }
  | { kind: "down"; reason: string; sinceMs: number; monotonicMs: number };

/**
 * Decides which agent may take the device's link, runs the session on it, keeps the device
 * configured, and holds what the device reported last.
 *
 * One link is up at a time: a new one of the same machine replaces it, and one of another machine
 * is refused until the device has been offline for `offlineAfter`.
 */
export class DeviceLink {
  /** Outlives links: streams continue on the next one. */
  readonly session: Session;
  readonly #owner: DeviceLinkOwner;
  readonly #context: DeviceContext;
  readonly #log: Logger;
  /** Bounds the lines about refused agents: one may come at any rate. */
  readonly #logLimit = new LogLimit();
  readonly #configuration: ConfigurationSender;
  readonly #greetings = new FairSlots({
    maxCount: MAX_GREETINGS,
    protectedMs: 0,
  });
  readonly #pace: BytePace;
  readonly #contentPace: BytePace;
  /** Requests for contents are answered one after the other, as agents send them. */
  readonly #fetches = new Sequencer<"blobs">();
  #state: State = { kind: "never" };
  #offlineTimer: ReturnType<typeof setTimeout> | undefined;
  /** Another machine that was refused last. */
  #duplicate: { atMs: number } | undefined;
  #facts: Facts | undefined;
  /** From facts that were reported over the link that is up. */
  #pressures: PodNode["pressures"] = [];
  /** From the agent that was accepted last. */
  #hello: Hello | undefined;
  #isClosed = false;

  constructor(owner: DeviceLinkOwner, context: DeviceContext) {
    this.#owner = owner;
    this.#context = context;
    this.#log = context.log.with({ device: owner.name });
    this.#pace = context.limits.createPace();
    this.#contentPace = context.limits.createContentPace();
    this.session = createSession({
      side: "operator",
      handlers: toReportHandlers(owner.name, {
        onFactsReported: (facts) => this.#onFactsReported(facts),
        onPodsReported: (list) => owner.onPodsReported(list),
        onEventsReported: (list) => owner.onEventsReported(list),
        fetchBlobs: (request, signal) => this.#fetchBlobs(request, signal),
        onFieldsReceived: (count) =>
          this.#pace.charge(FIELD_COST_BYTES * count),
      }),
      log: this.#log,
      meter: context.meter,
      clock: context.clock,
      offlineAfterMs: owner.settings.offlineAfterMs,
      memory: context.limits.requests.join(),
      pace: this.#pace,
    });
    this.#configuration = new ConfigurationSender({
      session: this.session,
      settings: {
        get requestTimeoutMs() {
          return owner.settings.requestTimeoutMs;
        },
      },
      log: this.#log,
    });
  }

  /** Whether a link is up. */
  get isUp(): boolean {
    return this.#state.kind === "up";
  }

  /** Version of the agent that was accepted last by this process. */
  get agentVersion(): string | undefined {
    return this.#hello?.agentVersion;
  }

  /** The device's last report to this process, in the form of `status.reported`. */
  get reported(): ReportedFacts | undefined {
    return this.#facts && fromFacts(this.#facts, this.#hello);
  }

  /** The device's size; undefined until it has reported it to this process. */
  get size(): { cpuMillis: number; memoryBytes: number } | undefined {
    return this.#facts && {
      cpuMillis: this.#facts.cpuMillis,
      memoryBytes: Number(this.#facts.memoryBytes),
    };
  }

  /** What the device's owner allows pods to do; undefined until the device has reported it. */
  get podSwitches(): PodNode["podSwitches"] {
    return this.#facts?.pods;
  }

  /**
   * Conditions of pressure that the device has reported as true over the link that is up; empty
   * while that is not known. What it reported before may be over.
   */
  get pressures(): PodNode["pressures"] {
    return this.isUp ? this.#pressures : [];
  }

  /**
   * Conditions that the device measured; undefined while it is offline or has not reported them.
   */
  get measured(): MeasuredCondition[] | undefined {
    return this.isUp && this.#facts ? fromMeasured(this.#facts) : undefined;
  }

  /**
   * Whether another machine with the device's credential was refused within the last five minutes.
   */
  get hasDuplicate(): boolean {
    return this.#duplicate !== undefined &&
      this.#context.clock.monotonicMs() - this.#duplicate.atMs <
        DUPLICATE_REPORT_MS;
  }

  /**
   * Since when the device is offline, in milliseconds since 1970; undefined while it is connected,
   * and when this process has never seen it.
   */
  get offlineSinceMs(): number | undefined {
    return this.#state.kind === "down" ? this.#state.sinceMs : undefined;
  }

  /**
   * Returns whether an offline device is expected back within seconds: its link was just lost, or
   * this process has just become the leader.
   */
  mayReturn(edge: EdgeDevice): boolean {
    const state = this.#state;
    const nowMs = this.#context.clock.monotonicMs();
    return state.kind === "down"
      ? nowMs - state.monotonicMs < RECONNECT_MS
      : state.kind === "never" && this.toConnectedCondition(edge).connected;
  }

  /**
   * Returns the state for the condition Connected. Until the reconnect deadline a device without a
   * link in this process has the state that the former leader wrote.
   */
  toConnectedCondition(edge: EdgeDevice): ConnectedCondition {
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
        message: `the link was lost: ${state.reason}`,
      };
    }
    const { clock, operator } = this.#context;
    return toInitialCondition(edge, {
      hasDeadlinePassed: clock.monotonicMs() >= operator.reconnectDeadlineMs,
    });
  }

  /**
   * Exchanges hello and welcome with an agent that proved to have `key`, and runs the session on
   * its link until it ends. The agent is refused when the key is no longer accepted. Never rejects:
   * failures are logged, and sent to the agent.
   */
  async accept(
    { link, key }: { link: Link; key: Uint8Array },
    signal: AbortSignal,
  ): Promise<void> {
    const log = this.#log.with({ link: link.peer });
    let greeting: Greeting;
    try {
      greeting = await this.#greet({ link, key }, signal);
    } catch (error) {
      const { code, message } = asAranyaError(error, "Cannot greet agent");
      const admitted = this.#logLimit.admit(code);
      if (admitted) {
        log.warn("agent was refused after its hello", { ...admitted, error });
      }
      if (code === "unsupported") this.#owner.onVersionUnsupported(message);
      return;
    }
    // Again: it may have been rotated or revoked since the hello.
    const refusal = this.#isClosed
      ? "the device is no longer served"
      : this.#owner.acceptsKey(key)
      ? undefined
      : CREDENTIAL_CHANGED;
    if (refusal) return await closeWithGoodbye(link, { reason: refusal });
    this.#hello = greeting.hello;
    this.#pressures = [];
    this.#setState({ kind: "up", link, key });
    this.#owner.onLinkUp(key);
    log.info("link is up", { version: greeting.hello.agentVersion });
    const reason = await this.#runLink(link, { greeting, log });
    if (this.#state.kind === "up" && this.#state.link === link) {
      log.info("link is down", { reason });
      this.#setState({
        kind: "down",
        reason,
        sinceMs: this.#context.clock.wallMs(),
        monotonicMs: this.#context.clock.monotonicMs(),
      });
    }
  }

  /** Sets what the device has to be configured with; sent now or with the next link. */
  configure(desired: Configure): void {
    this.#configuration.setDesired(desired);
  }

  /** Closes the link that is up, if there is one; the agent may connect again. */
  closeLink(reason: string): void {
    this.session.disconnect(reason);
  }

  /** Closes the link that is up, unless its agent's key is accepted. */
  closeUnlessAccepted(reason: string): void {
    const state = this.#state;
    if (state.kind !== "up" || this.#owner.acceptsKey(state.key)) return;
    this.closeLink(reason);
  }

  /** Closes the session with all its streams, and the link. May be called twice. */
  async close(error: AranyaError): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#offlineTimer);
    await this.session.close(error);
    if (this.#state.kind === "up") this.#state.link.close(error.message);
  }

  /** Exchanges hello and welcome; a newer link may end it. @throws as `greetAsOperator` */
  async #greet(
    { link, key }: { link: Link; key: Uint8Array },
    signal: AbortSignal,
  ): Promise<Greeting> {
    using _slot = this.#greetings.acquire({
      groups: [],
      onEvicted: () => void closeWithGoodbye(link, { reason: TOO_MANY_LINKS }),
    });
    await this.#keepPace(link, signal);
    return await greetAsOperator(link, {
      signal,
      decide: (hello) => this.#decide(hello, key),
    });
  }

  /** Waits when the device has opened too many links or sent too much, unless the link ends. */
  async #keepPace(link: Link, signal: AbortSignal): Promise<void> {
    const timeoutMs = Math.min(this.#pace.delayMs, MAX_GREETING_DELAY_MS);
    const { clock } = this.#context;
    if (timeoutMs > 0) {
      const stopped = Promise.withResolvers<void>();
      using _listener = onAbort(signal, () => stopped.resolve());
      const ended = Promise.race([link.closed, stopped.promise]);
      await waitAtMost(ended, { timeoutMs, clock });
    }
    this.#pace.charge(LINK_COST_BYTES);
  }

  /** Returns why the link ended. */
  async #runLink(
    link: Link,
    { greeting, log }: { greeting: Greeting; log: Logger },
  ): Promise<string> {
    const ended = new AbortController();
    const configuring = this.#configuration.run({
      signal: ended.signal,
      onConfigured: () => this.#owner.onConnected(greeting.peerCapabilities),
    });
    let reason = "internal error";
    try {
      ({ reason } = await this.session.run(link, greeting));
    } catch (error) {
      log.error("link failed", { error });
      link.close(reason);
    }
    ended.abort();
    await configuring;
    return reason;
  }

  #decide(hello: Hello, key: Uint8Array): GreetingDecision {
    const { name, settings } = this.#owner;
    this.#pace.charge(FIELD_COST_BYTES * hello.resume.length);
    const refuse = (reason: RefusalReason, state: string) => ({
      refuse: { reason, message: `Cannot connect device "${name}": ${state}` },
    });
    if (!this.#owner.acceptsKey(key)) {
      return refuse(RefusalReason.BAD_CREDENTIAL, CREDENTIAL_CHANGED);
    }
    if (!this.#owner.isServed) {
      return refuse(RefusalReason.OVERLOADED, METHOD_NOT_SUPPORTED);
    }
    const { clock, operator } = this.#context;
    const state = this.#state;
    const isHeld = state.kind === "up" ||
      (state.kind === "down" &&
        clock.monotonicMs() - state.monotonicMs < settings.offlineAfterMs);
    const holder = this.#hello?.machineId;
    if (isHeld && holder && hello.machineId !== holder) {
      this.#duplicate = { atMs: clock.monotonicMs() };
      this.#owner.onStateChanged();
      return refuse(RefusalReason.DUPLICATE_DEVICE, OTHER_MACHINE);
    }
    return {
      session: this.session,
      capabilities: OPERATOR_CAPABILITIES,
      operatorVersion: operator.version,
      offlineAfterMs: settings.offlineAfterMs,
    };
  }

  /**
   * Passes FETCH_BLOBS on, later when the device has fetched much. Rejects with the signal's reason
   * when the device no longer waits for it; with code "unavailable" when it has not received what
   * it fetched before.
   */
  #fetchBlobs(request: FetchBlobs, signal: AbortSignal): Promise<Blobs> {
    const { clock } = this.#context;
    return this.#fetches.run("blobs", async () => {
      signal.throwIfAborted();
      const { delayMs } = this.#contentPace;
      if (delayMs > 0) await clock.sleep(delayMs, { signal });
      // Before the contents are decoded and encoded, which leaves three times their length.
      const { responseBytes } = this.session;
      if (responseBytes > MAX_UNREAD_RESPONSE_BYTES) {
        throw new AranyaError(
          "unavailable",
          `Cannot fetch files of device "${this.#owner.name}": it has not received ${responseBytes} bytes of earlier responses`,
        );
      }
      const blobs = await this.#owner.fetchBlobs(request, signal);
      for (const { length } of blobs.contents) this.#contentPace.charge(length);
      return blobs;
    });
  }

  #onFactsReported(facts: Facts): void {
    const former = this.podSwitches;
    this.#facts = facts;
    this.#pressures = facts.conditions.filter(({ type, status }) =>
      status && PRESSURE_CONDITIONS.includes(type)
    ).map(({ type }) => type);
    this.#owner.onStateChanged();
    if (!isDeepStrictEqual(former, this.podSwitches)) {
      this.#owner.onPodSwitchesChanged();
    }
  }

  #setState(state: State): void {
    this.#state = state;
    clearTimeout(this.#offlineTimer);
    if (this.#isClosed) return;
    if (state.kind === "down") {
      this.#offlineTimer = setTimeout(
        () => this.#owner.onOffline(),
        this.#owner.settings.offlineAfterMs,
      );
    }
    this.#owner.onStateChanged();
  }
}

/** Returns the state of a device that had no link in this process, by its present status. */
function toInitialCondition(
  edge: EdgeDevice,
  { hasDeadlinePassed }: { hasDeadlinePassed: boolean },
): ConnectedCondition {
  const found = edge.status?.conditions?.find(({ type }) =>
    type === "Connected"
  );
  if (found?.status === "True") {
    const { reason = "LinkUp", message = "" } = found;
    return hasDeadlinePassed
      ? {
        connected: false,
        reason: "LinkLost",
        message: "the device has not reconnected since the operator started",
      }
      : { connected: true, reason, message };
  }
  return found?.reason === "LinkLost"
    ? {
      connected: false,
      reason: found.reason,
      message: found.message ?? "",
    }
    : {
      connected: false,
      reason: NEVER_CONNECTED,
      message: "the device's agent has not connected yet",
    };
}

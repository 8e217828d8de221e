// SPDX-License-Identifier: Apache-2.0
/** Leader election: one leader among several processes, by a coordination.k8s.io Lease. */
import {
  AranyaError,
  type Clock,
  hasCode,
  type Logger,
  Scope,
  SYSTEM_CLOCK,
  toRfc3339Micro,
} from "../../shared/base/mod.ts";
import type { CallOptions, KubeClient } from "./api.ts";
import { LEASE } from "./kinds.ts";
import type { Lease } from "./objects.ts";

/** Options of {@linkcode waitForLeadership}. */
export interface LeaderElectionOptions {
  client: Pick<KubeClient, "find" | "create" | "replace">;
  /** Namespace of the Lease. */
  namespace: string;
  /** Name of the Lease. */
  name: string;
  /** `holderIdentity` of this process; no two processes may have the same. */
  identity: string;
  /** Called each time that the Lease was read and is held by another process. */
  onHolder?: (holder: LeaseHolder) => void;
  /** Gets a line when leadership, or the ability to renew it, changes. */
  log: Logger;
  /** A Lease that isn't renewed for this long may be taken by others. @default 8000 */
  leaseDurationMs?: number;
  /**
   * The leader is suspended when it could not renew the Lease for this long, whatever the error.
   * Less than `leaseDurationMs`, so that it has stopped writing before another process may lead.
   * @default 5000
   */
  renewDeadlineMs?: number;
  /**
   * Time between renewals; a quarter of it after one that failed. Candidates read the Lease twice
   * as often. @default 2000
   */
  retryPeriodMs?: number;
  /** @default SYSTEM_CLOCK */
  clock?: Clock;
}

/** The process that holds a Lease. */
export interface LeaseHolder {
  identity: string;
  /** After this time others may take the Lease, unless it is renewed; in milliseconds. */
  expiresInMs: number;
}

/**
 * Leadership that was acquired. Disposing releases it.
 *
 * ```text
 * leading ──not renewed for `renewDeadlineMs`──▶ suspended ──renewed──▶ leading
 *    └───────────────another process holds the Lease──┴──▶ lost
 * ```
 */
export interface Leadership extends AsyncDisposable {
  /** Is aborted when another process has become the leader. Not aborted by `release`. */
  readonly lost: AbortSignal;
  /**
   * Whether another process may lead by now, so that nothing may be written; also true when
   * leadership is lost. Computed from the clock: a late timer does not make it wrong.
   */
  readonly isSuspended: boolean;
  /**
   * Calls the listener when leadership is suspended and when it is renewed again. Returns the
   * function that unsubscribes it.
   */
  onSuspensionChange(listener: (isSuspended: boolean) => void): () => void;
  /**
   * Stops renewing and clears the holder, so that the next candidate need not wait for the Lease to
   * expire. Errors are logged. May be called twice.
   */
  release(): Promise<void>;
}

const LEASE_DURATION_MS = 8000;
const RENEW_DEADLINE_MS = 5000;
const RETRY_PERIOD_MS = 2000;
/** Short, so that a leader can try more than once before its deadline. */
const CALL_TIMEOUT_MS = 2000;
const RELEASE_TIMEOUT_MS = 2000;
const MIN_WAIT_MS = 50;

/** The result of one attempt to acquire or renew the Lease. */
type Outcome =
  | { kind: "held"; lease: Lease }
  | { kind: "others"; holder: string }
  | { kind: "failed"; error: unknown };

/** Options of each call of an attempt. */
interface AttemptOptions {
  signal: AbortSignal;
  /** Upper bound of each call, in milliseconds. */
  timeoutMs: number;
}

/**
 * Waits until this process is the leader, then renews the Lease in the background. Errors of the
 * API server are logged and retried without limit.
 * @throws the signal's reason when it is aborted while waiting
 */
export async function waitForLeadership(
  options: LeaderElectionOptions & { signal: AbortSignal },
): Promise<Leadership> {
  const { log, name, signal, identity, clock = SYSTEM_CLOCK } = options;
  const { retryPeriodMs = RETRY_PERIOD_MS } = options;
  const record = new LeaseRecord(options, clock);
  let loggedState = "";
  for (;;) {
    signal.throwIfAborted();
    const startMs = clock.monotonicMs();
    const outcome = await record.tryAcquire({
      signal,
      timeoutMs: CALL_TIMEOUT_MS,
    });
    if (outcome.kind === "held") {
      log.info("leadership acquired", { object: name, identity });
      return new RenewedLeadership(options, {
        record,
        lease: outcome.lease,
        renewedMs: startMs,
        clock,
      });
    }
    const state = outcome.kind === "others"
      ? `held by ${outcome.holder}`
      : "failed";
    if (state !== loggedState) {
      loggedState = state;
      if (outcome.kind === "others") {
        log.info("waiting for leadership", { object: name, reason: state });
      } else {
        log.warn("leadership not acquired, will retry", {
          object: name,
          error: outcome.error,
        });
      }
    }
    const waitMs = Math.min(retryPeriodMs / 2, record.remainingMs);
    await clock.sleep(Math.max(waitMs, MIN_WAIT_MS), { signal });
  }
}

/** A version of the Lease, and for how long it was seen. */
interface Observation {
  version: string;
  /** `spec.leaseDurationSeconds`. */
  durationMs: number;
  /** For how long it has not changed. */
  unchangedMs: number;
  /** When it was read last, on the monotonic clock. */
  readMs: number;
}

/**
 * The Lease as this process sees and writes it.
 *
 * Whether it has expired is decided by how long this process has seen it unchanged, on a monotonic
 * clock. The times in the Lease are for people only: clocks of other machines may be wrong. Time in
 * which the Lease could not be read does not count. The leader could not renew it then either, and
 * gets the chance to keep its devices after an outage of the API server.
 */
class LeaseRecord {
  readonly #options: LeaderElectionOptions;
  readonly #clock: Clock;
  #observed: Observation | undefined;

  constructor(options: LeaderElectionOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Returns the time until the Lease that was read last expires; Infinity when none was read. */
  get remainingMs(): number {
    return this.#observed
      ? this.#observed.durationMs - this.#observed.unchangedMs
      : Infinity;
  }

  /** Reads the Lease, and takes it when it is free, expired, or held by this process already. */
  tryAcquire(options: AttemptOptions): Promise<Outcome> {
    return this.#attempt(options, async () => {
      const lease = await this.#find(options);
      if (!lease) return await this.#create(options);
      const holder = lease.spec?.holderIdentity ?? "";
      const isFree = holder === "" || holder === this.#options.identity ||
        this.#isExpired(lease);
      if (isFree) return await this.#write(lease, options);
      this.#options.onHolder?.({
        identity: holder,
        expiresInMs: this.remainingMs,
      });
      return { kind: "others", holder };
    });
  }

  /**
   * Renews the Lease of which this process wrote the version `former`. When that is not the current
   * one, the Lease is read again: perhaps it was only annotated or deleted, or an earlier write of
   * this process arrived although its reply was lost.
   */
  tryRenew(former: Lease, options: AttemptOptions): Promise<Outcome> {
    return this.#attempt(options, async () => {
      try {
        return await this.#write(former, options);
      } catch (error) {
        if (!hasCode(error, "conflict", "not_found")) throw error;
      }
      const lease = await this.#find(options);
      if (!lease) return await this.#create(options);
      // Without a holder it was released, so another process has led meanwhile.
      const holder = lease.spec?.holderIdentity ?? "";
      if (holder === this.#options.identity) {
        return await this.#write(lease, options);
      }
      this.#options.onHolder?.({
        identity: holder,
        expiresInMs: this.#durationMs,
      });
      return { kind: "others", holder };
    });
  }

  /** Clears the holder. @throws {AranyaError} as `KubeClient.replace` does */
  async release(lease: Lease): Promise<void> {
    await this.#options.client.replace(LEASE, {
      metadata: lease.metadata,
      spec: { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1 },
    }, { timeoutMs: RELEASE_TIMEOUT_MS, pool: "election" });
  }

  async #attempt(
    { signal }: AttemptOptions,
    work: () => Promise<Outcome>,
  ): Promise<Outcome> {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      // Two candidates took it at the same time, and the other one was first.
      if (hasCode(error, "conflict", "already_exists")) {
        return { kind: "others", holder: "another candidate" };
      }
      return { kind: "failed", error };
    }
  }

  #find(options: AttemptOptions): Promise<Lease | undefined> {
    const { client, namespace, name } = this.#options;
    return client.find(LEASE, { namespace, name }, toCall(options));
  }

  async #create(options: AttemptOptions): Promise<Outcome> {
    const { client, namespace, name } = this.#options;
    const lease = await client.create(LEASE, {
      metadata: { namespace, name },
      spec: this.#toSpec(undefined),
    }, toCall(options));
    return { kind: "held", lease };
  }

  /**
   * Makes this process the holder and renews the Lease, unless it was written since it was read.
   */
  async #write(lease: Lease, options: AttemptOptions): Promise<Outcome> {
    const written = await this.#options.client.replace(LEASE, {
      metadata: lease.metadata,
      spec: this.#toSpec(lease),
    }, toCall(options));
    return { kind: "held", lease: written };
  }

  get #durationMs(): number {
    return this.#options.leaseDurationMs ?? LEASE_DURATION_MS;
  }

  #isExpired(lease: Lease): boolean {
    const version = lease.metadata.resourceVersion ?? "";
    const readMs = this.#clock.monotonicMs();
    if (this.#observed?.version === version) {
      const { retryPeriodMs = RETRY_PERIOD_MS } = this.#options;
      const sinceReadMs = readMs - this.#observed.readMs;
      // Longer only when reads failed in between.
      this.#observed.unchangedMs += Math.min(sinceReadMs, retryPeriodMs);
      this.#observed.readMs = readMs;
    } else {
      const seconds = lease.spec?.leaseDurationSeconds;
      this.#observed = {
        version,
        durationMs: seconds === undefined ? this.#durationMs : seconds * 1000,
        unchangedMs: 0,
        readMs,
      };
    }
    return this.remainingMs <= 0;
  }

  #toSpec(former: Lease | undefined): NonNullable<Lease["spec"]> {
    const { identity } = this.#options;
    const now = toRfc3339Micro(this.#clock.wallMs());
    const isOurs = former?.spec?.holderIdentity === identity;
    const transitions = former?.spec?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#durationMs / 1000),
      acquireTime: isOurs ? former?.spec?.acquireTime ?? now : now,
      renewTime: now,
      leaseTransitions: former && !isOurs ? transitions + 1 : transitions,
    };
  }
}

function toCall({ signal, timeoutMs }: AttemptOptions): CallOptions {
  return { signal, timeoutMs, pool: "election" };
}

class RenewedLeadership implements Leadership {
  readonly #options: LeaderElectionOptions;
  readonly #record: LeaseRecord;
  readonly #clock: Clock;
  readonly #lost = new AbortController();
  readonly #scope: Scope;
  readonly #listeners = new Set<(isSuspended: boolean) => void>();
  #lease: Lease;
  /** When the last renewal that succeeded was sent. */
  #renewedMs: number;
  /** State that the listeners were notified of last. */
  #isReportedSuspended = false;
  #isReleased = false;

  constructor(
    options: LeaderElectionOptions,
    start: {
      record: LeaseRecord;
      lease: Lease;
      renewedMs: number;
      clock: Clock;
    },
  ) {
    this.#options = options;
    this.#record = start.record;
    this.#lease = start.lease;
    this.#renewedMs = start.renewedMs;
    this.#clock = start.clock;
    this.#scope = new Scope({ onError: (error) => this.#lose(error) });
    this.#scope.run((signal) => this.#renewUntilLost(signal));
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get isSuspended(): boolean {
    return this.lost.aborted || this.#remainingMs <= 0;
  }

  onSuspensionChange(listener: (isSuspended: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async release(): Promise<void> {
    await this.#scope.close();
    if (this.#isReleased || this.#lost.signal.aborted) return;
    this.#isReleased = true;
    const { log, name } = this.#options;
    try {
      await this.#record.release(this.#lease);
      log.info("leadership released", { object: name });
    } catch (error) {
      log.warn("leadership not released, its lease will expire", {
        object: name,
        error,
      });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Time until leadership is suspended, in milliseconds; zero or less when it is. */
  get #remainingMs(): number {
    const { renewDeadlineMs = RENEW_DEADLINE_MS } = this.#options;
    return this.#renewedMs + renewDeadlineMs - this.#clock.monotonicMs();
  }

  async #renewUntilLost(signal: AbortSignal): Promise<void> {
    const { retryPeriodMs = RETRY_PERIOD_MS, log, name } = this.#options;
    let isFailing = false;
    for (;;) {
      await this.#sleep(isFailing ? retryPeriodMs / 4 : retryPeriodMs, signal);
      const startMs = this.#clock.monotonicMs();
      const outcome = await this.#record.tryRenew(this.#lease, {
        signal,
        timeoutMs: this.#untilDeadline(CALL_TIMEOUT_MS),
      });
      if (outcome.kind === "others") {
        const { holder } = outcome;
        return this.#lose(holder === "" ? "released" : `taken by ${holder}`);
      }
      if (outcome.kind === "held") {
        this.#lease = outcome.lease;
        this.#renewedMs = startMs;
        if (isFailing) log.info("leadership renewed again", { object: name });
      } else if (!isFailing) {
        const { error } = outcome;
        log.warn("leadership not renewed, will retry", { object: name, error });
      }
      isFailing = outcome.kind === "failed";
      this.#reportSuspension();
    }
  }

  /** Sleeps, and reports the suspension when it begins meanwhile. */
  async #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    const firstMs = this.#untilDeadline(delayMs);
    await this.#clock.sleep(firstMs, { signal });
    this.#reportSuspension();
    if (firstMs < delayMs) {
      await this.#clock.sleep(delayMs - firstMs, { signal });
    }
  }

  /** Returns the duration, or the time until the renew deadline when that is shorter. */
  #untilDeadline(durationMs: number): number {
    const remainingMs = this.#remainingMs;
    return remainingMs > 0 ? Math.min(durationMs, remainingMs) : durationMs;
  }

  #reportSuspension(): void {
    const { isSuspended } = this;
    if (isSuspended === this.#isReportedSuspended) return;
    this.#isReportedSuspended = isSuspended;
    const { log, name } = this.#options;
    if (isSuspended) log.error("leadership suspended", { object: name });
    else log.info("leadership resumed", { object: name });
    for (const listener of this.#listeners) listener(isSuspended);
  }

  #lose(cause: unknown): void {
    if (this.#lost.signal.aborted) return;
    const { log, name } = this.#options;
    log.error("leadership lost", { object: name, error: cause });
    this.#lost.abort(
      new AranyaError(
        "unavailable",
        `Cannot lead by lease ${JSON.stringify(name)}: it was lost`,
        { cause },
      ),
    );
  }
}

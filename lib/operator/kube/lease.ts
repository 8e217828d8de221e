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
import type { KubeClient } from "./api.ts";
import { LEASE } from "./kinds.ts";
import type { Lease } from "./objects.ts";

/** Options of {@linkcode waitForLeadership}. */
export interface LeaderElectionOptions {
  client: KubeClient;
  /** Namespace of the Lease. */
  namespace: string;
  /** Name of the Lease. */
  name: string;
  /** `holderIdentity` of this process; no two processes may have the same. */
  identity: string;
  /** Gets a line when leadership, or the ability to renew it, changes. */
  log: Logger;
  /** A Lease that isn't renewed for this long may be taken by others. @default 8000 */
  leaseDurationMs?: number;
  /** The leader gives up when the API server refuses its renewals for this long. @default 6000 */
  renewDeadlineMs?: number;
  /**
   * The leader gives up when it can't reach the API server for this long. This is longer than
   * `leaseDurationMs`, since no one can take the Lease while the API server is down. It is limited
   * because the API server may be out of reach for this process alone.
   * @default 120000
   */
  outageToleranceMs?: number;
  /**
   * Time between renewals; a quarter of it after one that failed. Candidates read the Lease twice
   * as often. @default 2000
   */
  retryPeriodMs?: number;
  /** @default SYSTEM_CLOCK */
  clock?: Clock;
}

/** Leadership that was acquired. Disposing releases it. */
export interface Leadership extends AsyncDisposable {
  /** Is aborted when leadership is lost: stop writing at once. Not aborted by `release`. */
  readonly lost: AbortSignal;
  /**
   * Stops renewing and clears the holder, so that the next candidate need not wait for the Lease to
   * expire. Errors are logged. May be called twice.
   */
  release(): Promise<void>;
}

const LEASE_DURATION_MS = 8000;
const RENEW_DEADLINE_MS = 6000;
const OUTAGE_TOLERANCE_MS = 120_000;
const RETRY_PERIOD_MS = 2000;
/** Short, so that a leader can try several times before others may take over. */
const CALL_TIMEOUT_MS = 3000;
const RELEASE_TIMEOUT_MS = 2000;
const MIN_WAIT_MS = 50;

/** The result of one attempt to acquire or renew the Lease. */
type Outcome =
  | { kind: "held"; lease: Lease }
  | { kind: "others"; holder: string }
  | { kind: "failed"; error: unknown };

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
    const outcome = await record.tryAcquire(signal);
    if (outcome.kind === "held") {
      log.info("leadership acquired", { object: name, address: identity });
      return new RenewedLeadership(options, {
        record,
        lease: outcome.lease,
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
    const waitMs = Math.min(retryPeriodMs / 2, record.remainingMs());
    await clock.sleep(Math.max(waitMs, MIN_WAIT_MS), { signal });
  }
}

/**
 * The Lease as this process sees and writes it.
 *
 * Whether it has expired is decided by how long this process has seen it unchanged, on a monotonic
 * clock. The times in the Lease are for people only: clocks of other machines may be wrong.
 */
class LeaseRecord {
  readonly #options: LeaderElectionOptions;
  readonly #clock: Clock;
  /** The version that was read last, and since when it has been the current one. */
  #observed:
    | { version: string; sinceMs: number; durationMs: number }
    | undefined;

  constructor(options: LeaderElectionOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Reads the Lease, and takes it when it is free, expired, or held by this process already. */
  async tryAcquire(signal: AbortSignal): Promise<Outcome> {
    const { client, namespace, name, identity } = this.#options;
    const call = { signal, timeoutMs: CALL_TIMEOUT_MS };
    try {
      const lease = await client.find(LEASE, { namespace, name }, call);
      if (!lease) {
        const metadata = { namespace, name };
        const spec = this.#toSpec(undefined);
        const created = await client.create(LEASE, { metadata, spec }, call);
        return { kind: "held", lease: created };
      }
      const holder = lease.spec?.holderIdentity ?? "";
      if (holder !== "" && holder !== identity && !this.#isExpired(lease)) {
        return { kind: "others", holder };
      }
      return { kind: "held", lease: await this.write(lease, signal) };
    } catch (error) {
      signal.throwIfAborted();
      // Two candidates took it at the same time, and the other one was first.
      if (hasCode(error, "conflict", "already_exists")) {
        return { kind: "others", holder: "another candidate" };
      }
      return { kind: "failed", error };
    }
  }

  /**
   * Makes this process the holder and renews the Lease.
   * @throws {AranyaError} code "conflict" when it was written since `lease` was read
   */
  write(lease: Lease, signal: AbortSignal): Promise<Lease> {
    return this.#options.client.replace(LEASE, {
      metadata: lease.metadata,
      spec: this.#toSpec(lease),
    }, { signal, timeoutMs: CALL_TIMEOUT_MS });
  }

  /** Returns the time until the Lease that was read last expires; Infinity when none was read. */
  remainingMs(): number {
    if (!this.#observed) return Infinity;
    const { sinceMs, durationMs } = this.#observed;
    return sinceMs + durationMs - this.#clock.monotonicMs();
  }

  get #durationMs(): number {
    return this.#options.leaseDurationMs ?? LEASE_DURATION_MS;
  }

  #isExpired(lease: Lease): boolean {
    const version = lease.metadata.resourceVersion ?? "";
    if (this.#observed?.version !== version) {
      const seconds = lease.spec?.leaseDurationSeconds;
      this.#observed = {
        version,
        sinceMs: this.#clock.monotonicMs(),
        durationMs: seconds === undefined ? this.#durationMs : seconds * 1000,
      };
    }
    return this.remainingMs() <= 0;
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

class RenewedLeadership implements Leadership {
  readonly #options: LeaderElectionOptions;
  readonly #record: LeaseRecord;
  readonly #clock: Clock;
  readonly #lost = new AbortController();
  readonly #scope: Scope;
  #lease: Lease;
  #isReleased = false;

  constructor(
    options: LeaderElectionOptions,
    start: { record: LeaseRecord; lease: Lease; clock: Clock },
  ) {
    this.#options = options;
    this.#record = start.record;
    this.#lease = start.lease;
    this.#clock = start.clock;
    this.#scope = new Scope({ onError: (error) => this.#lose(error) });
    this.#scope.run((signal) => this.#renewUntilLost(signal));
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    await this.#scope.close();
    if (this.#isReleased || this.#lost.signal.aborted) return;
    this.#isReleased = true;
    const { client, log, name } = this.#options;
    try {
      await client.replace(LEASE, {
        metadata: this.#lease.metadata,
        spec: {
          ...this.#lease.spec,
          holderIdentity: "",
          leaseDurationSeconds: 1,
        },
      }, { timeoutMs: RELEASE_TIMEOUT_MS });
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

  async #renewUntilLost(signal: AbortSignal): Promise<void> {
    const { retryPeriodMs = RETRY_PERIOD_MS, log, name } = this.#options;
    let renewedMs = this.#clock.monotonicMs();
    let isFailing = false;
    for (;;) {
      const delayMs = isFailing ? retryPeriodMs / 4 : retryPeriodMs;
      await this.#clock.sleep(delayMs, { signal });
      const outcome = await this.#renew(signal);
      const nowMs = this.#clock.monotonicMs();
      if (outcome.kind === "held") {
        this.#lease = outcome.lease;
        renewedMs = nowMs;
        if (isFailing) log.info("leadership renewed again", { object: name });
        isFailing = false;
        continue;
      }
      if (outcome.kind === "others") {
        return this.#lose(`taken by ${outcome.holder}`);
      }
      const { error } = outcome;
      if (nowMs - renewedMs > this.#toleranceMs(error)) {
        return this.#lose(error);
      }
      if (!isFailing) {
        log.warn("leadership not renewed, will retry", { object: name, error });
      }
      isFailing = true;
    }
  }

  /** Returns for how long renewals may fail with this error, in milliseconds. */
  #toleranceMs(error: unknown): number {
    const {
      outageToleranceMs = OUTAGE_TOLERANCE_MS,
      renewDeadlineMs = RENEW_DEADLINE_MS,
    } = this.#options;
    return hasCode(error, "unavailable", "timed_out")
      ? outageToleranceMs
      : renewDeadlineMs;
  }

  async #renew(signal: AbortSignal): Promise<Outcome> {
    try {
      const lease = await this.#record.write(this.#lease, signal);
      return { kind: "held", lease };
    } catch (error) {
      signal.throwIfAborted();
      // Written by someone, perhaps only an annotation; or an earlier write of this process arrived
      // although its reply was lost. Reading it again decides.
      return hasCode(error, "conflict", "already_exists", "not_found")
        ? await this.#record.tryAcquire(signal)
        : { kind: "failed", error };
    }
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

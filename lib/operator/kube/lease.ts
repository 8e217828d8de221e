// SPDX-License-Identifier: Apache-2.0
/**
 * One leader among several processes, by a coordination Lease.
 *
 * Times in the Lease are for people: whether it has lapsed is judged by how long *we* have seen it unchanged, on a monotonic clock.
 * While the API server is away nobody can take the Lease, so the leader stays one for `outageToleranceMs`; then it gives up, because
 * it may be cut off alone while others are not.
 */
import {
  AranyaError,
  type Clock,
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
  /** Reads and writes the Lease. */
  client: KubeClient;
  /** Where the Lease is. */
  namespace: string;
  /** Name of the Lease. */
  name: string;
  /** Who we are; another one in every process. */
  identity: string;
  /** Told when leadership changes. */
  log: Logger;
  /** How long others wait for a silent leader, in milliseconds. @default 8000 */
  leaseDurationMs?: number;
  /** A leader whose renewals are refused for this long gives up, in milliseconds. @default 6000 */
  renewDeadlineMs?: number;
  /** A leader that can't reach the API server for this long gives up, in milliseconds. @default 120000 */
  outageToleranceMs?: number;
  /** Between renewals, in milliseconds; one that failed is tried again after a quarter of it, and those who wait look twice as often. @default 2000 */
  retryPeriodMs?: number;
  /** Time, for tests to hold. @default the machine's */
  clock?: Clock;
}

/** Leadership, once it has been won. */
export interface Leadership extends AsyncDisposable {
  /** Aborted when leadership was lost: stop writing at once. */
  readonly lost: AbortSignal;
  /** Gives it up so that the next one need not wait; also what disposing does. */
  release(): Promise<void>;
}

/** Short, so that a leader has several tries before others may take over. */
const CALL_TIMEOUT_MS = 3000;
const MIN_WAIT_MS = 50;

/** What one try came to. */
type Outcome =
  | { kind: "held"; lease: Lease }
  | { kind: "others"; holder: string }
  | { kind: "failed"; error: unknown };

/**
 * Waits until we lead, then keeps renewing. Never gives up for errors of the API server: they are logged and retried.
 * @throws the signal's reason when it is aborted while waiting
 */
export async function waitForLeadership(
  options: LeaderElectionOptions & { signal: AbortSignal },
): Promise<Leadership> {
  const { log, signal, identity, clock = SYSTEM_CLOCK } = options;
  const candidate = new Candidate(options, clock);
  let told = "";
  for (;;) {
    signal.throwIfAborted();
    const outcome = await candidate.attempt(signal);
    if (outcome.kind === "held") {
      log.info("leading", { object: options.name, address: identity });
      return new Leader(options, { candidate, lease: outcome.lease, clock });
    }
    const state = outcome.kind === "others"
      ? `held by ${outcome.holder}`
      : "failed";
    if (state !== told) {
      told = state;
      if (outcome.kind === "others") {
        log.info("waiting for leadership", {
          object: options.name,
          reason: state,
        });
      } else {
        log.warn("leadership can't be read, trying again", {
          object: options.name,
          error: outcome.error,
        });
      }
    }
    const { retryPeriodMs = 2000 } = options;
    // The moment at which it lapses is known.
    const waitMs = Math.min(retryPeriodMs / 2, candidate.lapsesInMs());
    await clock.sleep(Math.max(waitMs, MIN_WAIT_MS), { signal });
  }
}

class Candidate {
  readonly #options: LeaderElectionOptions;
  readonly #clock: Clock;
  /** The Lease as last seen, since when it looks like that, and until when. */
  #seen: { version: string; sinceMs: number; durationMs: number } | undefined;

  constructor(options: LeaderElectionOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  get durationMs(): number {
    return this.#options.leaseDurationMs ?? 8000;
  }

  /** Reads the Lease and takes it when it is free or has lapsed. */
  async attempt(signal: AbortSignal): Promise<Outcome> {
    const { client, namespace, name, identity } = this.#options;
    const call = { signal, timeoutMs: CALL_TIMEOUT_MS };
    try {
      const lease = await client.find(LEASE, { namespace, name }, call);
      if (!lease) {
        const metadata = { namespace, name };
        const spec = this.#spec(undefined);
        const created = await client.create(LEASE, { metadata, spec }, call);
        return { kind: "held", lease: created };
      }
      const holder = lease.spec?.holderIdentity ?? "";
      if (holder !== "" && holder !== identity && !this.#hasLapsed(lease)) {
        return { kind: "others", holder };
      }
      return { kind: "held", lease: await this.write(lease, signal) };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AranyaError && isRace(error)) {
        return { kind: "others", holder: "another candidate" };
      }
      return { kind: "failed", error };
    }
  }

  /** Writes the Lease as ours; "conflict" when somebody else wrote it since. */
  write(lease: Lease, signal: AbortSignal): Promise<Lease> {
    return this.#options.client.replace(LEASE, {
      metadata: lease.metadata,
      spec: this.#spec(lease),
    }, { signal, timeoutMs: CALL_TIMEOUT_MS });
  }

  /** Time until the Lease that was seen last may be taken. */
  lapsesInMs(): number {
    if (!this.#seen) return Infinity;
    const { sinceMs, durationMs } = this.#seen;
    return sinceMs + durationMs - this.#clock.monotonicMs();
  }

  #hasLapsed(lease: Lease): boolean {
    const version = lease.metadata.resourceVersion ?? "";
    if (this.#seen?.version !== version) {
      const seconds = lease.spec?.leaseDurationSeconds;
      this.#seen = {
        version,
        sinceMs: this.#clock.monotonicMs(),
        durationMs: seconds === undefined ? this.durationMs : seconds * 1000,
      };
    }
    return this.lapsesInMs() <= 0;
  }

  #spec(former: Lease | undefined): NonNullable<Lease["spec"]> {
    const { identity } = this.#options;
    const now = toRfc3339Micro(this.#clock.wallMs());
    const ours = former?.spec?.holderIdentity === identity;
    const transitions = former?.spec?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.durationMs / 1000),
      acquireTime: ours ? former?.spec?.acquireTime ?? now : now,
      renewTime: now,
      leaseTransitions: former && !ours ? transitions + 1 : transitions,
    };
  }
}

class Leader implements Leadership {
  readonly #options: LeaderElectionOptions;
  readonly #candidate: Candidate;
  readonly #clock: Clock;
  readonly #lost = new AbortController();
  readonly #scope;
  #lease: Lease;
  #released = false;

  constructor(
    options: LeaderElectionOptions,
    start: { candidate: Candidate; lease: Lease; clock: Clock },
  ) {
    this.#options = options;
    this.#candidate = start.candidate;
    this.#lease = start.lease;
    this.#clock = start.clock;
    this.#scope = new Scope({ onError: (error) => this.#lose(error) });
    this.#scope.run((signal) => this.#renew(signal));
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    await this.#scope.close();
    if (this.#released || this.#lost.signal.aborted) return;
    this.#released = true;
    const { client, log, name } = this.#options;
    try {
      await client.replace(LEASE, {
        metadata: this.#lease.metadata,
        spec: {
          ...this.#lease.spec,
          holderIdentity: "",
          leaseDurationSeconds: 1,
        },
      }, { timeoutMs: 2000 });
      log.info("leadership released", { object: name });
    } catch (error) {
      log.warn("leadership not released, it will lapse", {
        object: name,
        error,
      });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { retryPeriodMs = 2000, renewDeadlineMs = 6000 } = this.#options;
    const { outageToleranceMs = 120_000, log, name } = this.#options;
    let goodMs = this.#clock.monotonicMs();
    let troubled = false;
    for (;;) {
      await this.#clock.sleep(troubled ? retryPeriodMs / 4 : retryPeriodMs, {
        signal,
      });
      const outcome = await this.#renewOnce(signal);
      const silentMs = this.#clock.monotonicMs() - goodMs;
      if (outcome.kind === "held") {
        this.#lease = outcome.lease;
        goodMs = this.#clock.monotonicMs();
        if (troubled) log.info("leadership renewed again", { object: name });
        troubled = false;
        continue;
      }
      if (outcome.kind === "others") {
        return this.#lose(`taken by ${outcome.holder}`);
      }
      const limitMs = isOutage(outcome.error)
        ? outageToleranceMs
        : renewDeadlineMs;
      if (silentMs > limitMs) return this.#lose(outcome.error);
      if (!troubled) {
        log.warn("leadership not renewed, trying again", {
          object: name,
          error: outcome.error,
        });
      }
      troubled = true;
    }
  }

  async #renewOnce(signal: AbortSignal): Promise<Outcome> {
    try {
      return {
        kind: "held",
        lease: await this.#candidate.write(this.#lease, signal),
      };
    } catch (error) {
      signal.throwIfAborted();
      const changed = error instanceof AranyaError &&
        (isRace(error) || error.code === "not_found");
      // Somebody wrote it, perhaps only an annotation; or a write of ours arrived although its answer did not.
      return changed
        ? await this.#candidate.attempt(signal)
        : { kind: "failed", error };
    }
  }

  #lose(why: unknown): void {
    if (this.#lost.signal.aborted) return;
    this.#options.log.error("leadership lost", {
      object: this.#options.name,
      error: why,
    });
    this.#lost.abort(
      new AranyaError(
        "unavailable",
        `Cannot lead by lease ${
          JSON.stringify(this.#options.name)
        }: it was lost`,
        { cause: why },
      ),
    );
  }
}

function isRace(error: AranyaError): boolean {
  return error.code === "conflict" || error.code === "already_exists";
}

function isOutage(error: unknown): boolean {
  return error instanceof AranyaError &&
    (error.code === "unavailable" || error.code === "timed_out");
}

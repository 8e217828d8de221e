// SPDX-License-Identifier: Apache-2.0
/** One attempt to reach an operator at any of several endpoints. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  type Logger,
  onAbort,
  Sequencer,
  withDeadline,
} from "../shared/base/mod.ts";
import type { ConnectedLink, LinkConnector, OpenedLink } from "./connector.ts";

/** Options of {@linkcode EndpointRace}. */
export interface EndpointRaceOptions {
  /** "host:port", preferred first; at least one. */
  endpoints: readonly string[];
  connector: LinkConnector;
  /** Called for each Knock on a link, which is not authenticated. */
  onKnock: () => void;
  clock: Clock;
  log: Logger;
}

/** How an attempt has ended. */
export type RaceResult =
  | { kind: "connected"; endpoint: string; connected: ConnectedLink }
  /** Not empty, in the order in which they came. */
  | { kind: "failed"; errors: AranyaError[] };

/**
 * The next endpoint is tried too when the one before has not answered for this long: it may be a
 * host that vanished, whose connection times out much later.
 */
const STAGGER_MS = 2_500;
/** Upper bound for an endpoint that an operator named: the device may have no route to it. */
const REDIRECT_TIMEOUT_MS = 5_000;
const MAX_REDIRECTS = 4;

/**
 * Tries all endpoints, each one after the one before has failed or is slow. Several links may be
 * opened, but one operator is greeted at a time, and the first that welcomes the agent wins.
 */
export class EndpointRace {
  readonly #options: EndpointRaceOptions;
  readonly #attempts = new Map<Promise<void>, AbortController>();
  /** Endpoints that were tried, also by redirects. */
  readonly #tried = new Set<string>();
  readonly #errors: AranyaError[] = [];
  readonly #greetings = new Sequencer();
  #winner: { endpoint: string; connected: ConnectedLink } | undefined;

  constructor(options: EndpointRaceOptions) {
    this.#options = options;
  }

  /** Resolves with the first link on which an operator has welcomed the agent. Never rejects. */
  async run(signal: AbortSignal): Promise<RaceResult> {
    const remaining = [...this.#options.endpoints];
    for (;;) {
      const endpoint = this.#isOver(signal) ? undefined : remaining.shift();
      if (endpoint !== undefined) this.#start(endpoint, signal);
      if (this.#attempts.size === 0 && remaining.length === 0) break;
      await this.#waitForChange({
        isStaggered: remaining.length > 0 && endpoint !== undefined,
      });
      if (this.#isOver(signal)) break;
    }
    this.#cancel();
    if (this.#winner) return { kind: "connected", ...this.#winner };
    const errors = this.#errors.length > 0
      ? this.#errors
      : [new AranyaError("cancelled", "Cannot connect: it was cancelled")];
    return { kind: "failed", errors };
  }

  /** Resolves when the attempts that lost have released what they held. */
  async settled(): Promise<void> {
    await Promise.all(this.#attempts.keys());
  }

  #isOver(signal: AbortSignal): boolean {
    return this.#winner !== undefined || signal.aborted;
  }

  #cancel(): void {
    for (const controller of this.#attempts.values()) {
      controller.abort(
        new AranyaError("cancelled", "Cannot connect: no longer needed"),
      );
    }
  }

  #start(endpoint: string, signal: AbortSignal): void {
    if (this.#tried.has(endpoint)) return;
    const controller = new AbortController();
    const listener = onAbort(signal, (reason) => controller.abort(reason));
    const attempt: Promise<void> = this.#attempt(endpoint, controller.signal)
      .finally(() => {
        listener[Symbol.dispose]();
        this.#attempts.delete(attempt);
      });
    this.#attempts.set(attempt, controller);
  }

  /** Resolves when an attempt has ended, or after the delay between two. */
  async #waitForChange(
    { isStaggered }: { isStaggered: boolean },
  ): Promise<void> {
    const attempts = [...this.#attempts.keys()];
    if (attempts.length === 0) return;
    const waited = new AbortController();
    const delay = isStaggered
      ? [this.#options.clock.sleep(STAGGER_MS, { signal: waited.signal })]
      : [];
    try {
      await Promise.race([...attempts, ...delay]);
    } finally {
      for (const each of delay) each.catch(() => {});
      waited.abort();
    }
  }

  /** Tries one endpoint, and those that it names. Never rejects. */
  async #attempt(endpoint: string, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    let target: string | undefined = endpoint;
    for (let redirectCount = 0; target !== undefined; redirectCount++) {
      if (this.#tried.has(target) || signal.aborted) return;
      this.#tried.add(target);
      try {
        const opened = redirectCount === 0
          ? await this.#open(target, signal)
          : await this.#openRedirected(target, signal);
        await this.#greet(opened, { endpoint: target, signal });
        return;
      } catch (error) {
        const known = asAranyaError(error, `Cannot connect to ${target}`);
        if (signal.aborted) return;
        this.#errors.push(known);
        const next = known.details?.endpoint;
        target = typeof next === "string" && redirectCount < MAX_REDIRECTS
          ? next
          : undefined;
        if (target) {
          log.debug("redirected to another operator", { address: target });
        }
      }
    }
  }

  #open(endpoint: string, signal: AbortSignal): Promise<OpenedLink> {
    const { connector, onKnock } = this.#options;
    return connector.open(endpoint, { signal, onKnock });
  }

  #openRedirected(target: string, signal: AbortSignal): Promise<OpenedLink> {
    return withDeadline(
      (limited) => this.#open(target, limited),
      {
        timeoutMs: REDIRECT_TIMEOUT_MS,
        action: `Cannot connect to ${target}`,
        signal,
      },
    );
  }

  /** Greets an operator unless another one has welcomed the agent. */
  async #greet(
    opened: OpenedLink,
    { endpoint, signal }: { endpoint: string; signal: AbortSignal },
  ): Promise<void> {
    await this.#greetings.run("", async () => {
      if (this.#winner || signal.aborted) {
        opened.link.close("another operator was faster");
        return;
      }
      const connected = await this.#options.connector.greet(opened, signal);
      this.#winner = { endpoint, connected };
    });
  }
}

// SPDX-License-Identifier: Apache-2.0
/** What the device is: reported after each hello, and then only when something in it has changed. */
import {
  asAranyaError,
  type Clock,
  equalBytes,
  type Logger,
} from "../../shared/base/mod.ts";
import type { HostSwitches } from "../../shared/config/mod.ts";
import type { DeviceReader } from "../runtime/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  create,
  encodeMessage,
  type Facts,
  FactsSchema,
  HostAccessSchema,
  Method,
} from "../../shared/wire/mod.ts";

/** Options of {@linkcode createFactsReport}. */
export interface FactsReportOptions {
  reader: DeviceReader;
  session: Pick<Session, "request">;
  agentVersion: string;
  host: HostSwitches;
  clock: Clock;
  log: Logger;
}

/** See {@linkcode createFactsReport}. */
export interface FactsReport {
  /** Reads for the first time. */
  begin(signal: AbortSignal): Promise<void>;
  /** The last reading. */
  readonly addresses: readonly string[];
  readonly machineId: string;
  readonly bootId: string;
  /** There is a link (again): everything is told. */
  connected(): void;
  /** Something may have changed: reads soon. */
  lookAgain(): void;
  /** Reads and tells until the signal; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const READ_INTERVAL_MS = 30_000;
const RETRY_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** Makes the report. */
export function createFactsReport(options: FactsReportOptions): FactsReport {
  return new DeviceFactsReport(options);
}

type Known = Omit<Facts, "$typeName" | "$unknown" | "agentVersion" | "host">;

class DeviceFactsReport implements FactsReport {
  readonly #options: FactsReportOptions;
  #facts: Partial<Known> = {};
  #sent: Uint8Array | undefined;
  #met = false;
  #wake = Promise.withResolvers<void>();
  #runtimeReady: boolean | undefined;

  constructor(options: FactsReportOptions) {
    this.#options = options;
  }

  get addresses(): readonly string[] {
    return this.#facts.addresses ?? [];
  }

  get machineId(): string {
    return this.#facts.machineId ?? "";
  }

  get bootId(): string {
    return this.#facts.bootId ?? "";
  }

  connected(): void {
    this.#met = true;
    this.#sent = undefined;
    this.#wake.resolve();
  }

  lookAgain(): void {
    this.#wake.resolve();
  }

  async begin(signal: AbortSignal): Promise<void> {
    this.#facts = await this.#options.reader.readFacts(signal);
    this.#watchRuntime();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      let pauseMs = READ_INTERVAL_MS;
      this.#wake = Promise.withResolvers();
      try {
        await this.begin(signal);
        await this.#tell(signal);
      } catch (error) {
        if (signal.aborted) return;
        const known = asAranyaError(error, "Cannot report facts");
        const level = known.code === "unavailable" ? "debug" : "warn";
        log[level]("facts could not be reported", { error: known });
        pauseMs = RETRY_MS;
      }
      const pause = new AbortController();
      const either = AbortSignal.any([signal, pause.signal]);
      await Promise.race([
        clock.sleep(pauseMs, { signal: either }).catch(() => {}),
        this.#wake.promise,
      ]);
      pause.abort();
    }
  }

  async #tell(signal: AbortSignal): Promise<void> {
    if (!this.#met) return;
    const { session, agentVersion, host } = this.#options;
    const { exec, attach, logs, portForward } = host;
    const bytes = encodeMessage(FactsSchema, {
      ...this.#facts,
      agentVersion,
      host: create(HostAccessSchema, { exec, attach, logs, portForward }),
    });
    if (this.#sent && equalBytes(this.#sent, bytes)) return;
    this.#sent = bytes;
    try {
      await session.request(Method.REPORT_FACTS, bytes, {
        timeoutMs: REQUEST_TIMEOUT_MS,
        signal,
      });
    } catch (error) {
      // Unless a new link has asked for everything again already.
      if (this.#sent === bytes) this.#sent = undefined;
      throw error;
    }
  }

  /** An engine that comes and goes is worth a line: without it no pod runs here. */
  #watchRuntime(): void {
    const condition = this.#facts.conditions?.find(({ type }) =>
      type === "RuntimeReady"
    );
    if (!condition || condition.status === this.#runtimeReady) return;
    const { log } = this.#options;
    if (!condition.status) {
      log.warn("container engine can't be reached", {
        reason: condition.message,
      });
    } else if (this.#runtimeReady !== undefined) {
      log.info("container engine is back");
    }
    this.#runtimeReady = condition.status;
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The report of the device's facts to the operator. */
import {
  type AranyaError,
  asAranyaError,
  type Clock,
  equalBytes,
  hasCode,
  type Logger,
  Notifier,
  onAbort,
} from "../../shared/base/mod.ts";
import type { HostSwitches, PodSwitches } from "../../shared/config/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  create,
  encodeMessage,
  FactsSchema,
  HostAccessSchema,
  Method,
  PodAccessSchema,
} from "../../shared/wire/mod.ts";
import type { HostAddresses } from "../pods/mod.ts";
import type { DeviceFacts, DeviceReader } from "../runtime/mod.ts";

/** Options of {@linkcode FactsReport}. */
export interface FactsReportOptions {
  reader: Pick<DeviceReader, "readFacts">;
  session: Pick<Session, "request" | "connected">;
  agentVersion: string;
  /** Which streams the device's owner allows to the host. */
  host: HostSwitches;
  /** What the device's owner allows pods to do to the host. */
  pods: PodSwitches;
  clock: Clock;
  log: Logger;
}

const READ_INTERVAL_MS = 30_000;
const RETRY_INTERVAL_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;

/**
 * Reads the device's facts every 30 s and on request, and reports them to the operator: all of them
 * after each connect, and later only when one has changed. A report that the operator refuses is
 * not sent again until then either.
 */
export class FactsReport implements HostAddresses {
  readonly #options: FactsReportOptions;
  readonly #readRequests = new Notifier();
  #facts: Partial<Omit<DeviceFacts, "$typeName" | "$unknown">> = {};
  /** What the operator has, encoded; undefined when it may have nothing. */
  #sent: Uint8Array | undefined;
  /** Whether the operator has refused the last report. */
  #isRefused = false;
  #hasConnected = false;
  /** Last known status of the condition RuntimeReady. */
  #isRuntimeReady: boolean | undefined;

  constructor(options: FactsReportOptions) {
    this.#options = options;
  }

  /** IP addresses of the device, preferred first; empty before the first reading. */
  get addresses(): readonly string[] {
    return this.#facts.addresses ?? [];
  }

  /** Empty before the first reading, and on machines without one. */
  get machineId(): string {
    return this.#facts.machineId ?? "";
  }

  /** Differs after each boot; empty before the first reading. */
  get bootId(): string {
    return this.#facts.bootId ?? "";
  }

  /** Has all facts reported, because the operator may be another process now. */
  onConnected(): void {
    this.#hasConnected = true;
    this.#sent = undefined;
    this.#readRequests.notify();
  }

  /** Has the facts read soon, because some may have changed. */
  requestRead(): void {
    this.#readRequests.notify();
  }

  /** Reads the facts now. @throws {AranyaError} when the machine can't be read */
  async read(signal: AbortSignal): Promise<void> {
    this.#facts = await this.#options.reader.readFacts(signal);
    this.#logRuntimeCondition();
  }

  /** Reads and reports until the signal is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let delayMs = READ_INTERVAL_MS;
      try {
        await this.read(signal);
        await this.#report(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#logFailure(asAranyaError(error, "Cannot report facts"));
        delayMs = RETRY_INTERVAL_MS;
      }
      await this.#waitForRequest(delayMs, signal);
    }
  }

  /** Resolves when a reading is requested, after the delay, or when the signal is aborted. */
  async #waitForRequest(delayMs: number, signal: AbortSignal): Promise<void> {
    const delay = new AbortController();
    using _listener = onAbort(signal, (reason) => delay.abort(reason));
    this.#options.clock.sleep(delayMs, { signal: delay.signal }).then(
      () => delay.abort(),
      () => {},
    );
    await this.#readRequests.wait(delay.signal).catch(() => {});
    delay.abort();
  }

  async #report(signal: AbortSignal): Promise<void> {
    if (!this.#hasConnected) return;
    const { session, agentVersion, host, pods } = this.#options;
    const { exec, attach, logs, portForward } = host;
    const { privileged, hostPath, hostNamespaces } = pods;
    const bytes = encodeMessage(FactsSchema, {
      ...this.#facts,
      agentVersion,
      host: create(HostAccessSchema, { exec, attach, logs, portForward }),
      pods: create(PodAccessSchema, { privileged, hostPath, hostNamespaces }),
    });
    if (this.#sent && equalBytes(this.#sent, bytes)) return;
    this.#sent = bytes;
    try {
      await session.request(Method.REPORT_FACTS, bytes, {
        timeoutMs: REQUEST_TIMEOUT_MS,
        signal,
      });
      this.#isRefused = false;
    } catch (error) {
      // The operator would refuse the same report again.
      if (hasCode(error, "too_large", "invalid")) {
        this.#onRefused(asAranyaError(error, "Cannot report facts"));
        return;
      }
      // `onConnected` may have reset it meanwhile.
      if (this.#sent === bytes) this.#sent = undefined;
      throw error;
    }
  }

  #onRefused(error: AranyaError): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#options.log.warn(
      "operator refused facts, they are sent again when they change",
      { error },
    );
  }

  #logFailure(error: AranyaError): void {
    const { log, session } = this.#options;
    // Without a link, requests time out for as long as the device is offline.
    const isOffline = error.code === "unavailable" || !session.connected;
    log[isOffline ? "debug" : "warn"]("facts report failed, will retry", {
      error,
    });
  }

  /** Logs when the container engine becomes unavailable or available again. */
  #logRuntimeCondition(): void {
    const condition = this.#facts.conditions?.find(({ type }) =>
      type === "RuntimeReady"
    );
    if (!condition || condition.status === this.#isRuntimeReady) return;
    const { log } = this.#options;
    if (!condition.status) {
      log.warn("container engine is unavailable", {
        reason: condition.message,
      });
    } else if (this.#isRuntimeReady !== undefined) {
      log.info("container engine is available again");
    }
    this.#isRuntimeReady = condition.status;
  }
}

// SPDX-License-Identifier: Apache-2.0
/** What the operator does at the moment, for its pages. */
import type { Leadership } from "./kube/mod.ts";
import type { OperatorStatus } from "./pages.ts";
import type { PrometheusMeter } from "./prometheus_meter.ts";
import type { Term } from "./term.ts";

/** The operator's state, as /readyz and /metrics show it. */
export class OperatorProgress implements OperatorStatus {
  /**
   * "starting" until the API server was reached once; then "standing by" as long as another process
   * leads.
   */
  phase: "starting" | "standing by" | "taking over" | "leading" = "starting";
  /** The term that this process serves; undefined unless it leads. */
  term: Term | undefined;
  /** Undefined unless this process leads. */
  leadership: Pick<Leadership, "isSuspended"> | undefined;
  readonly #meter: PrometheusMeter;

  constructor(meter: PrometheusMeter) {
    this.#meter = meter;
  }

  get notReadyReason(): string | undefined {
    if (this.#isSuspended) {
      return "operator is suspended: it can't renew its leadership";
    }
    return this.phase === "starting" || this.phase === "taking over"
      ? `operator is ${this.phase}`
      : undefined;
  }

  get activity(): string {
    return this.phase;
  }

  updateGauges(): void {
    const meter = this.#meter;
    const { rss, heapUsed } = Deno.memoryUsage();
    const devices = this.term?.devices;
    const isSuspended = this.#isSuspended;
    const isLeading = this.phase === "leading" && !isSuspended;
    meter.set("process_resident_memory_bytes", { value: rss });
    meter.set("aranya_heap_used_bytes", { value: heapUsed });
    meter.set("aranya_leading", { value: isLeading ? 1 : 0 });
    meter.set("aranya_suspended", { value: isSuspended ? 1 : 0 });
    meter.set("aranya_devices", { value: devices?.size ?? 0 });
    meter.set("aranya_devices_connected", {
      value: devices?.connectedCount ?? 0,
    });
  }

  get #isSuspended(): boolean {
    return this.leadership?.isSuspended ?? false;
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Reconciles everything that an EdgeDevice stands for on the API server. */
import { hasCode } from "../../shared/base/mod.ts";
import type { KubeObject } from "../kube/mod.ts";
import { AgentSecret } from "./agent_secret.ts";
import type { Device } from "./device.ts";
import { writeStatus } from "./ensure_edge.ts";
import { claimPodRange } from "./ensure_node.ts";
import { ensureObjects } from "./ensure_objects.ts";
import { VirtualPodKeeper } from "./ensure_virtual_pod.ts";
import { NetworkConditionLimit } from "./network_condition.ts";
import {
  addressConflict,
  MQTT_NOT_SUPPORTED,
  POOL_EXHAUSTED,
  type ProblemCondition,
} from "./problems.ts";
import { mayPass, ReconcileFailures } from "./reconcile_failures.ts";
import { ObjectWriter } from "./writer.ts";

/**
 * Foreign objects and pod ranges are not watched, so a conflict is checked again after this time.
 */
const PROBLEM_RETRY_MS = 30_000;

/**
 * Brings the objects of one device to their desired state. Level-based: each call reads the present
 * state and writes only what differs. An object that can't be written doesn't keep the device from
 * being served, or the others from being written.
 */
export class DeviceReconciler {
  readonly #device: Device;
  readonly #writer: ObjectWriter;
  readonly #secret: AgentSecret;
  readonly #virtualPod: VirtualPodKeeper;
  readonly #networkLimit = new NetworkConditionLimit();
  readonly #failures = new ReconcileFailures();

  constructor(device: Device) {
    this.#device = device;
    const { kube, clock } = device.context;
    this.#writer = new ObjectWriter(kube.client, { clock });
    this.#secret = new AgentSecret(device, this.#writer);
    this.#virtualPod = new VirtualPodKeeper(device, this.#writer);
  }

  /** Drops what was written of this kind, because an informer saw that the object was deleted. */
  forgetWrite(kind: string): void {
    this.#writer.forgetWrite(kind);
  }

  /** Returns the newer one of the informer's object and what was written. */
  latest<T extends KubeObject>(
    kind: string,
    stored: T | undefined,
  ): T | undefined {
    return this.#writer.latest(kind, stored);
  }

  /**
   * Reconciles all objects and writes the status last. Calls must not overlap.
   * @throws {AranyaError} what kept an object from being written. Retry later; the status names it
   * at once when it is a refusal, and when it lasts otherwise
   */
  async reconcile(signal: AbortSignal): Promise<void> {
    const device = this.#device;
    const writer = this.#writer;
    writer.begin(device.edge);
    if (!device.isServed) device.link.closeLink(MQTT_NOT_SUPPORTED.message);
    const problems: ProblemCondition[] = [];
    let podCidr = "";
    const errors: unknown[] = [];
    // A device that was served before keeps its objects, so that it can be switched back.
    if (device.isServed || device.ownsNode) {
      podCidr = this.#claimPodRange(problems);
      errors.push(
        ...await ensureObjects(device, {
          writer,
          secret: this.#secret,
          virtualPod: this.#virtualPod,
          networkLimit: this.#networkLimit,
          podCidr,
          signal,
        }),
      );
    }
    problems.push(...writer.conflicts);
    this.#failures.record(errors);
    if (!errors.some((error) => hasCode(error, "cancelled", "unauthorized"))) {
      await writeStatus(device, {
        podCidr,
        reconcileError: this.#failures.reported,
        problems: [...problems, ...this.#secret.problems],
        signal,
      }).catch((error) => errors.push(error));
    }
    if (errors.length > 0) {
      throw errors.find((error) => !mayPass(error)) ?? errors[0];
    }
    if (problems.length > 0) {
      device.context.queue.enqueue(device.name, { afterMs: PROBLEM_RETRY_MS });
    }
  }

  /** Returns the range of the device's pods; empty when none is free. */
  #claimPodRange(problems: ProblemCondition[]): string {
    const range = claimPodRange(this.#device);
    if (!range) problems.push(POOL_EXHAUSTED);
    if (range?.overlapsWith) {
      problems.push(addressConflict(range.cidr, range.overlapsWith));
    }
    return range?.cidr ?? "";
  }
}

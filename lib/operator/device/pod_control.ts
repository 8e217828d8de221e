// SPDX-License-Identifier: Apache-2.0
/** The pod controller of one device, which runs only while the device's Node is its own. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { PodTarget } from "../../shared/exec/mod.ts";
import type {
  Blobs,
  EventList,
  FetchBlobs,
  PodStatusList,
} from "../../shared/wire/mod.ts";
import {
  type ContainerTarget,
  type PodController,
  type PodDirectory,
  type PodList,
  toPodList,
} from "../pods/mod.ts";

/** Options of {@linkcode PodControl}. */
export interface PodControlOptions {
  /** Name of the device and its Node. */
  node: string;
  /** Creates a controller, which begins at once. */
  createController: () => PodController;
}

/**
 * Starts and stops the pod controller of one device. Pods that are bound to a foreign Node of the
 * device's name belong to another kubelet: while the controller is stopped, none of them is read,
 * sent, finalized or written about, and calls of the kubelet API find none.
 */
export class PodControl implements PodDirectory {
  readonly #options: PodControlOptions;
  #controller: PodController | undefined;
  /** Resolves when the former controller has stopped. */
  #stopping: Promise<void> | undefined;
  #shouldRun = false;
  #isClosed = false;
  /** Set while the device is connected and configured. */
  #connected: { capabilities: readonly string[] } | undefined;

  constructor(options: PodControlOptions) {
    this.#options = options;
  }

  /** Whether a controller runs. */
  get isRunning(): boolean {
    return this.#controller !== undefined;
  }

  /** Starts a controller unless one runs, as soon as the former one has stopped. */
  start(): void {
    this.#shouldRun = !this.#isClosed;
    this.#update();
  }

  /** Stops the controller; nothing is removed on the device. May be called twice. */
  async stop(): Promise<void> {
    this.#shouldRun = false;
    this.#update();
    await this.#stopping;
  }

  /** Stops the controller for good. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.stop();
  }

  /** See {@linkcode PodController.onDeviceConnected}. */
  onDeviceConnected(options: { capabilities: readonly string[] }): void {
    this.#connected = options;
    this.#controller?.onDeviceConnected(options);
  }

  /** See {@linkcode PodController.onDeviceOffline}. */
  onDeviceOffline(): void {
    this.#connected = undefined;
    this.#controller?.onDeviceOffline();
  }

  /** See {@linkcode PodController.onSwitchesChanged}. */
  onSwitchesChanged(): void {
    this.#controller?.onSwitchesChanged();
  }

  /**
   * Takes a report of METHOD_REPORT_PODS. Without a controller it is dropped: the next one lists
   * the device's pods when it starts.
   */
  async onPodsReported(list: PodStatusList): Promise<void> {
    await this.#controller?.onPodsReported(list);
  }

  /**
   * Records those Events of METHOD_REPORT_EVENTS that concern pods, and returns the others. Returns
   * all of them without a controller.
   */
  recordEvents(list: EventList): EventList["events"] {
    return this.#controller?.recordEvents(list) ?? list.events;
  }

  /**
   * Returns contents of files for METHOD_FETCH_BLOBS.
   * @throws {AranyaError} "unavailable" without a controller, else as the controller
   */
  async fetchBlobs(request: FetchBlobs): Promise<Blobs> {
    if (this.#controller) return await this.#controller.fetchBlobs(request);
    throw new AranyaError(
      "unavailable",
      `Cannot read files of pods: node "${this.#options.node}" is not served`,
    );
  }

  /** See {@linkcode PodDirectory.findContainer}. */
  findContainer(target: PodTarget): ContainerTarget {
    if (this.#controller) {
      return this.#controller.directory.findContainer(target);
    }
    throw new AranyaError(
      "not_found",
      `Cannot find pod "${target.namespace}/${target.pod}": node "${this.#options.node}" is not served`,
    );
  }

  /** See {@linkcode PodDirectory.list}. */
  list(options: { running: boolean }): PodList {
    return this.#controller?.directory.list(options) ?? toPodList([]);
  }

  /** See {@linkcode PodDirectory.nameOf}. */
  nameOf(uid: string): { namespace: string; name: string } | undefined {
    return this.#controller?.directory.nameOf(uid);
  }

  /** Two controllers never run at the same time. */
  #update(): void {
    if (this.#stopping) return;
    if (this.#shouldRun && !this.#controller) {
      this.#controller = this.#options.createController();
      if (this.#connected) this.#controller.onDeviceConnected(this.#connected);
    } else if (!this.#shouldRun && this.#controller) {
      const controller = this.#controller;
      this.#controller = undefined;
      this.#stopping = controller.close().finally(() => {
        this.#stopping = undefined;
        this.#update();
      });
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
/**
 * From the container that a kubelet API call names to the target on the wire, once pod, container
 * and device are ready for it.
 */
import { AranyaError, type Clock, toRfc3339 } from "../../shared/base/mod.ts";
import type { LogsRequest, PodTarget } from "../../shared/exec/mod.ts";
import type { ContainerTarget, LinkState, PodDirectory } from "../pods/mod.ts";

/** Kinds of calls with a target. */
export type StreamVerb = "exec" | "attach" | "portForward" | "logs";

/** Options of {@linkcode Locator}. */
export interface LocatorOptions {
  /** Name of the device. */
  device: string;
  link: LinkState;
  pods: PodDirectory;
  clock: Clock;
}

/** A container that was located. */
export interface Located {
  /** Fields of the wire message Target. */
  target: { podUid: string; container: string; pod: string };
  /** `Cannot <verb> <object>`, for later errors of the call. */
  action: string;
}

/** How long a call waits for a device that is expected back, in milliseconds. */
const LINK_WAIT_MS = 5_000;
const LINK_POLL_MS = 100;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Locates containers of one device. */
export class Locator {
  /** Name of the device. */
  readonly device: string;
  readonly #link: LinkState;
  readonly #pods: PodDirectory;
  readonly #clock: Clock;

  constructor({ device, link, pods, clock }: LocatorOptions) {
    this.device = device;
    this.#link = link;
    this.#pods = pods;
    this.#clock = clock;
  }

  /**
   * Finds the container and waits until the device is connected, for at most five seconds.
   * @throws {AranyaError} "not_found" when pod or container don't exist or, for exec and attach,
   * the container doesn't run; "unavailable" when the device is offline
   */
  async locate(target: PodTarget, verb: StreamVerb): Promise<Located> {
    const { located } = await this.#find(target, verb);
    return located;
  }

  /**
   * Finds a container's log like {@linkcode locate}.
   * @throws {AranyaError} also "invalid", in the kubelet's words, when the container has no log yet
   */
  async locateLog(request: LogsRequest<PodTarget>): Promise<Located> {
    const { located, container } = await this.#find(request.target, "logs");
    checkHasLog(container, request);
    return located;
  }

  /**
   * Waits for a device that dials again after a short interruption.
   * @param action what the error's message begins with
   * @throws {AranyaError} "unavailable" when the device is not connected by then
   */
  async waitForLink(action: string): Promise<void> {
    const link = this.#link;
    const endMs = this.#clock.monotonicMs() + LINK_WAIT_MS;
    while (
      !link.connected && link.mayReturn && this.#clock.monotonicMs() < endMs
    ) await this.#clock.sleep(LINK_POLL_MS);
    if (link.connected) return;
    const { offlineSinceMs } = link;
    const state = offlineSinceMs === undefined
      ? "is not connected"
      : `has been offline since ${
        toShortTime(offlineSinceMs, this.#clock.wallMs())
      }`;
    throw new AranyaError(
      "unavailable",
      `${action}: device ${quote(this.device)} ${state}`,
    );
  }

  async #find(
    target: PodTarget,
    verb: StreamVerb,
  ): Promise<{ located: Located; container: ContainerTarget }> {
    const found = this.#pods.findContainer(target);
    const { podUid, container } = found;
    const action = toAction(verb, { ...target, container });
    await this.waitForLink(action);
    if (verb === "exec" || verb === "attach") checkRuns(found, action);
    const pod = `${target.namespace}/${target.pod}`;
    const located = { target: { podUid, container, pod }, action };
    return { located, container: found };
  }
}

function toAction(verb: StreamVerb, target: PodTarget): string {
  const pod = quote(`${target.namespace}/${target.pod}`);
  const container = `container ${quote(target.container)} of pod ${pod}`;
  switch (verb) {
    case "exec":
      return `Cannot exec in ${container}`;
    case "attach":
      return `Cannot attach to ${container}`;
    case "logs":
      return `Cannot read log of ${container}`;
    case "portForward":
      return `Cannot forward ports of pod ${pod}`;
  }
}

/** Returns `12:03:11Z` for a time within the last day, else the date too. */
function toShortTime(timeMs: number, nowMs: number): string {
  const text = toRfc3339(timeMs);
  return nowMs - timeMs < DAY_MS ? text.slice(11) : text;
}

function checkRuns(found: ContainerTarget, action: string): void {
  if (found.running) return;
  const state = found.waiting
    ? `it is waiting with reason ${found.waiting.reason}`
    : "it isn't running";
  throw new AranyaError("not_found", `${action}: ${state}`);
}

/**
 * The messages are the kubelet's, since scripts match them (pkg/kubelet/kubelet_pods.go,
 * validateContainerLogStatus).
 */
function checkHasLog(
  found: ContainerTarget,
  { target, previous }: LogsRequest<PodTarget>,
): void {
  const object = `container ${quote(found.container)} in pod ${
    quote(target.pod)
  }`;
  if (previous && !found.hasPrevious) {
    throw new AranyaError("invalid", `previous terminated ${object} not found`);
  }
  // A container that waits for its restart has the log of its last instance.
  if (previous || !found.waiting || found.hasPrevious) return;
  throw new AranyaError(
    "invalid",
    `${object} is waiting to start: ${toWaitingText(found.waiting.reason)}`,
  );
}

function toWaitingText(reason: string): string {
  if (reason === "ErrImagePull") return "image can't be pulled";
  if (reason === "ImagePullBackOff") return "trying and failing to pull image";
  return reason;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

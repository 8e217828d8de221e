// SPDX-License-Identifier: Apache-2.0
/** Parameters of the commands that serve a stream. */
import type { Clock } from "../../shared/base/mod.ts";
import type { HostSwitches } from "../../shared/config/mod.ts";
import type { Stream } from "../../shared/session/mod.ts";
import type { PodSpec, PodStatus } from "../../shared/wire/mod.ts";
import type { StreamRuntime } from "../runtime/mod.ts";

/** Specs and statuses of the pods on this device, by pod UID; undefined for unknown pods. */
export interface PodRecords {
  /** Returns the pod's last status. */
  findStatus(uid: string): PodStatus | undefined;
  /** Returns the pod's desired spec. */
  findSpec(uid: string): PodSpec | undefined;
}

/** What all streams of one agent share. */
export interface StreamContext {
  /** Name of the device, for errors. */
  device: string;
  /** Which streams the device's owner allows to the host. */
  host: HostSwitches;
  streams: StreamRuntime;
  pods: PodRecords;
  clock: Clock;
}

/** A stream that the operator opened. */
export interface StreamCall {
  /** The method's encoded request message. */
  payload: Uint8Array;
  stream: Stream;
}

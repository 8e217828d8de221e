// SPDX-License-Identifier: Apache-2.0
/** What the agent puts together at start: the engine's pods, images and streams, the host's streams, and the device's figures. */
import type { Logger } from "../base/mod.ts";
import type { DockerClient } from "../docker/mod.ts";
import type { HostMachine } from "../host/mod.ts";
import type { Facts, Stats } from "../wire/mod.ts";
import type { ImageRuntime, PodRuntime, StreamRuntime } from "./runtime.ts";

/** Everything of one Docker engine. */
export type DockerRuntime = PodRuntime & ImageRuntime & StreamRuntime;

/** Options of {@linkcode createDockerRuntime}. */
export interface DockerRuntimeOptions {
  client: DockerClient;
  log: Logger;
  /** Device name; containers of other devices' agents on the same engine are left alone. */
  device: string;
}

/** Options of {@linkcode createHostStreams}. */
export interface HostStreamsOptions {
  machine: HostMachine;
  /** Interactive shell for attach, e.g. "/bin/sh". */
  shell?: string;
  /** File that `logs` shows; absent: the journal. */
  logFile?: string;
}

/** The report about the device, but for what only the agent knows. */
export type DeviceFacts = Omit<Facts, "agentVersion" | "host">;

/** The device's own figures. */
export interface DeviceReader {
  /** What the Node shows. Never fails: an engine that is away is a condition (RuntimeReady) in it. */
  facts(signal: AbortSignal): Promise<DeviceFacts>;
  /** What `kubectl top` shows, containers included; those are missing when the engine is away. */
  stats(signal: AbortSignal): Promise<Stats>;
}

/** Options of {@linkcode createDeviceReader}. */
export interface DeviceReaderOptions {
  client: DockerClient;
  machine: HostMachine;
  images: ImageRuntime;
  /** Its file system counts for DiskPressure beside the engine's. */
  stateDir: string;
}

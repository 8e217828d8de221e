// SPDX-License-Identifier: Apache-2.0
/** Doors of the implementations. */
import { AranyaError } from "../base/mod.ts";
import type {
  DeviceReader,
  DeviceReaderOptions,
  DockerRuntime,
  DockerRuntimeOptions,
  HostStreamsOptions,
} from "./engine.ts";
import type { StreamRuntime } from "./runtime.ts";

const unbuilt = (what: string): never => {
  throw new AranyaError("unsupported", `Cannot create ${what}: not built yet`);
};

/** Pods, images and streams of a Docker engine. Nothing is dialled yet. */
export function createDockerRuntime(
  _options: DockerRuntimeOptions,
): DockerRuntime {
  return unbuilt("Docker runtime");
}

/** Streams of the host. */
export function createHostStreams(_options: HostStreamsOptions): StreamRuntime {
  return unbuilt("host streams");
}

/** One stream runtime: requests without a target go to the host, others to the engine. */
export function createStreams(
  _parts: { containers: StreamRuntime; host: StreamRuntime },
): StreamRuntime {
  return unbuilt("streams");
}

/** The device's own figures. */
export function createDeviceReader(
  _options: DeviceReaderOptions,
): DeviceReader {
  return unbuilt("device reader");
}

// SPDX-License-Identifier: Apache-2.0
/** The whole contract of a container engine, implemented on Docker. */
import type { Logger } from "../../shared/base/mod.ts";
import type {
  ConnectionIo,
  ExecIo,
  ExitStatus,
} from "../../shared/exec/mod.ts";
import type { ContainerStats } from "../../shared/wire/mod.ts";
import type { DockerClient } from "../docker/mod.ts";
import { type HostMachine, LocalMachine } from "../host/mod.ts";
import { readContainerDiskUsage } from "./container_disk_usage.ts";
import { readPodStats } from "./container_stats.ts";
import { DockerImages } from "./docker_images.ts";
import { DockerPods } from "./docker_pods.ts";
import { DockerStreams } from "./docker_streams.ts";
import type {
  ContainerDiskUsage,
  ContainerRef,
  ContainerRuntime,
  ImageRequest,
  RuntimeAttachRequest,
  RuntimeExecRequest,
  RuntimeLogsRequest,
} from "./runtime.ts";

/** Options of {@linkcode DockerRuntime}. */
export interface DockerRuntimeOptions {
  client: DockerClient;
  log: Logger;
  /** Name of the device. Containers of other devices' agents on the same engine are not touched. */
  device: string;
  /** The machine that the containers run on. @default this one */
  machine?: HostMachine;
}

/** Pods, images, statistics and streams of one engine. Nothing is dialed before the first call. */
export class DockerRuntime extends DockerPods implements ContainerRuntime {
  readonly #client: DockerClient;
  readonly #images: DockerImages;
  readonly #streams: DockerStreams;
  readonly #device: string;
  readonly #machine: HostMachine;

  constructor(options: DockerRuntimeOptions) {
    super(options);
    this.#device = options.device;
    this.#machine = options.machine ?? new LocalMachine();
    this.#client = options.client;
    this.#images = new DockerImages(options.client);
    this.#streams = new DockerStreams(options);
  }

  ensureImage(
    request: ImageRequest,
    signal: AbortSignal,
  ): Promise<{ imageId: string; pulled: boolean }> {
    return this.#images.ensureImage(request, signal);
  }

  async readStats(): Promise<ContainerStats[]> {
    return await readPodStats(this.#client, await this.listPods());
  }

  readDiskUsage(): Promise<ContainerDiskUsage[]> {
    return readContainerDiskUsage({
      client: this.#client,
      machine: this.#machine,
      device: this.#device,
    });
  }

  exec(
    request: RuntimeExecRequest<ContainerRef>,
    io: ExecIo,
  ): Promise<ExitStatus> {
    return this.#streams.exec(request, io);
  }

  attach(
    request: RuntimeAttachRequest<ContainerRef>,
    io: ExecIo,
  ): Promise<ExitStatus> {
    return this.#streams.attach(request, io);
  }

  logs(
    request: RuntimeLogsRequest<ContainerRef>,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    return this.#streams.logs(request, signal);
  }

  connectPort(
    request: { target: ContainerRef; port: number },
    io: ConnectionIo,
  ): Promise<void> {
    return this.#streams.connectPort(request, io);
  }
}

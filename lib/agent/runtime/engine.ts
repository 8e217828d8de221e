// SPDX-License-Identifier: Apache-2.0
/** What the agent puts together at start: the engine's pods, images and streams, and the host's streams. */
import { AranyaError, type Logger } from "../../shared/base/mod.ts";
import type { DockerClient } from "../docker/mod.ts";
import { createHostMachine, type HostMachine } from "../host/mod.ts";
import { readContainerFigures } from "./device_reader.ts";
import { ensureImage } from "./docker_images.ts";
import { DockerPods } from "./docker_pods.ts";
import {
  attachToContainer,
  connectToPod,
  execInContainer,
  readLogs,
} from "./docker_streams.ts";
import type {
  ImageRuntime,
  PodRuntime,
  RuntimeTarget,
  StreamRuntime,
} from "./runtime.ts";

/** Everything of one Docker engine. */
export type DockerRuntime = PodRuntime & ImageRuntime & StreamRuntime;

/** Options of {@linkcode createDockerRuntime}. */
export interface DockerRuntimeOptions {
  client: DockerClient;
  log: Logger;
  /** Device name; containers of other devices' agents on the same engine are left alone. */
  device: string;
  /** The machine that the containers run on. @default this one */
  machine?: HostMachine;
}

/** Pods, images and streams of a Docker engine. Nothing is dialled yet. */
export function createDockerRuntime(
  options: DockerRuntimeOptions,
): DockerRuntime {
  const { client, machine = createHostMachine() } = options;
  const pods = new DockerPods(options);
  const around = { client, machine };
  return {
    ensureSandbox: (request, signal) => pods.ensureSandbox(request, signal),
    removeSandbox: (podUid) => pods.removeSandbox(podUid),
    startContainer: (request, signal) => pods.startContainer(request, signal),
    stopContainer: (id, request) => pods.stopContainer(id, request),
    removeContainer: (id) => pods.removeContainer(id),
    listPods: () => pods.listPods(),
    watchPods: (signal) => pods.watchPods(signal),
    ensureImage: (request, signal) => ensureImage(client, request, signal),
    stats: async () => readContainerFigures(client, await pods.listPods()),
    exec: (request, io) =>
      execInContainer(around, { ...request, ...containerOf(request) }, io),
    attach: (request, io) =>
      attachToContainer(around, { ...request, ...containerOf(request) }, io),
    logs: (request, signal) =>
      readLogs(client, { ...request, ...containerOf(request) }, signal),
    connectPort: ({ target, port }, io) =>
      connectToPod(around, { podUid: targetOf(target).podUid, port }, io),
  };
}

function targetOf(target: RuntimeTarget): NonNullable<RuntimeTarget> {
  if (!target) throw new TypeError("a container is needed");
  return target;
}

function containerOf(request: { target: RuntimeTarget }): {
  containerId: string;
} {
  return { containerId: targetOf(request.target).containerId };
}

/** Options of {@linkcode createHostStreams}. */
export interface HostStreamsOptions {
  machine: HostMachine;
  /** Interactive shell for attach. @default "/bin/sh" */
  shell?: string;
  /** File that `logs` shows; absent: the journal. */
  logFile?: string;
}

const DEFAULT_SHELL = "/bin/sh";

/** Streams of the host: commands, a shell for attach, its log, its loopback ports. */
export function createHostStreams(options: HostStreamsOptions): StreamRuntime {
  const { machine, shell = DEFAULT_SHELL, logFile } = options;
  return {
    exec: ({ command, stdin, tty }, io) =>
      machine.exec({ command, stdin, tty }, io),
    attach: ({ stdin, tty }, io) => {
      if (!stdin) {
        // There is no process to listen to: the host itself is what is attached to.
        return Promise.reject(
          new AranyaError(
            "invalid",
            "Cannot attach to the device: without input there is nothing to see, expected attach with stdin (kubectl attach -i or -it)",
          ),
        );
      }
      return machine.exec({ command: [shell], stdin, tty }, io);
    },
    logs: ({ follow, tailLines, limitBytes, sinceTime }, signal) =>
      machine.logs({
        file: logFile,
        follow,
        tailLines,
        limitBytes,
        sinceTime,
        signal,
      }),
    connectPort: ({ port }, io) => machine.connectPort({ port }, io),
  };
}

/** One stream runtime: requests without a target go to the host, others to the engine. */
export function createStreams(
  parts: { containers: StreamRuntime; host: StreamRuntime },
): StreamRuntime {
  const pick = (target: RuntimeTarget) =>
    target ? parts.containers : parts.host;
  return {
    exec: (request, io) => pick(request.target).exec(request, io),
    attach: (request, io) => pick(request.target).attach(request, io),
    logs: (request, signal) => pick(request.target).logs(request, signal),
    connectPort: (request, io) => pick(request.target).connectPort(request, io),
  };
}

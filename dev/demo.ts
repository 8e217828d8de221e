// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task demo [-- --once]`: starts a cluster with one device on this machine and runs a guided
 * tour through it with kubectl. The cluster runs until Ctrl-C, or until the end of the tour with
 * `--once`; then everything is removed. Exit code 130 when it was interrupted before the end of the
 * tour.
 */
import { whenAborted } from "../lib/shared/base/mod.ts";
import { join } from "./base/paths.ts";
import { findOnPath } from "./base/run.ts";
import { formatElapsed, print, warn, withProgress } from "./base/terminal.ts";
import { prepareBinaries } from "./build/binaries.ts";
import { prepareModules } from "./build/modules.ts";
import { Tour } from "./tour.ts";
import {
  canIsolate,
  NAMESPACE,
  prepareEngine,
  World,
  type WorldDevice,
} from "./world/mod.ts";

const DEVICE = "edge-1";
const INTERRUPTED = 130;

/** Returns a signal that SIGINT, SIGTERM and SIGHUP abort. */
function onInterrupt(): AbortSignal {
  const controller = new AbortController();
  const interrupt = () => {
    if (!controller.signal.aborted) print("\nStopping …");
    controller.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, interrupt);
  }
  return controller.signal;
}

/**
 * Downloads, builds or installs what the demo needs; ends a download or build when it is
 * interrupted.
 */
async function prepare(signal: AbortSignal): Promise<void> {
  await prepareModules();
  signal.throwIfAborted();
  await prepareBinaries({ signal });
  const missing = await prepareEngine();
  if (missing) warn(missing);
  signal.throwIfAborted();
}

async function runDemo(signal: AbortSignal): Promise<void> {
  const startMs = performance.now();
  print(
    "aranya demo: a Kubernetes control plane, the operator, and one device with its agent.",
  );
  await prepare(signal);
  await using world = await withProgress(
    "starting the cluster",
    () => World.start({ devices: [DEVICE], engine: "optional" }),
  );
  signal.throwIfAborted();
  const device = world.devices.get(DEVICE);
  if (!device) throw new Error(`Cannot show ${DEVICE}: it is not there`);
  print(`Ready after ${formatElapsed(performance.now() - startMs)}.`);
  await new Tour({ world, device, signal }).run();
  if (Deno.args.includes("--once")) return;
  await printCommands(world, device);
  await whenAborted(signal);
}

async function printCommands(world: World, device: WorldDevice): Promise<void> {
  const { apiserver } = world.controlPlane;
  const kubeconfig = join(world.network.folder, "kubeconfig");
  await Deno.copyFile(apiserver.kubeconfig, kubeconfig);
  const enter = canIsolate()
    ? world.network.controlPlane.wrap([]).slice(0, -1).join(" ") + " "
    : "";
  const kubectl = await findOnPath("kubectl") && !enter
    ? "kubectl"
    : world.kubectl.program;
  print(`
The cluster runs until Ctrl-C. In another terminal:

  export KUBECONFIG=${kubeconfig}
  alias k='${enter}${kubectl}'

  k get nodes,edgedevices,pods -A -o wide
  k -n ${NAMESPACE} exec -it ${DEVICE} -- sh          # a shell on the device itself
  k -n ${NAMESPACE} get secret ${DEVICE}-agent -o jsonpath='{.data.agent\\.yaml}' | base64 -d
  k explain edgedevice.spec.connectivity
  k drain ${DEVICE} --ignore-daemonsets${
    device.dockerd
      ? `\n  docker -H unix://${device.dockerd.socket} ps   # the device's Docker engine`
      : ""
  }

Logs: ${join(world.network.folder, "logs")}`);
}

if (import.meta.main) {
  const signal = onInterrupt();
  try {
    await runDemo(signal);
  } catch (error) {
    if (signal.aborted && error === signal.reason) {
      Deno.exitCode = INTERRUPTED;
    } else {
      warn(error instanceof Error ? error.message : String(error));
      Deno.exitCode = 1;
    }
  }
  // Signal listeners keep the process alive.
  Deno.exit();
}

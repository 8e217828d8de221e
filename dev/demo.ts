// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task demo [-- --once]`: a cluster with one device on this machine, and a guided tour through it with real kubectl.
 * It stays up until Ctrl-C, or ends after the tour with `--once`; nothing is left behind.
 */
import { prepareBinaries } from "./build/binaries.ts";
import { prepareEngine } from "./world/dockerd.ts";
import { prepareModules } from "./build/modules.ts";
import { NAMESPACE } from "./world/operator.ts";
import { canIsolate } from "./world/network.ts";
import { join } from "./base/paths.ts";
import { findOnPath } from "./base/run.ts";
import { formatElapsed, print, warn, withProgress } from "./base/terminal.ts";
import { Tour } from "./tour.ts";
import { type Device, World } from "./world/world.ts";

const DEVICE = "edge-1";

async function main(): Promise<number> {
  const once = Deno.args.includes("--once");
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<
    void
  >();
  let isInterrupted = false;
  const onSignal = () => {
    if (!isInterrupted) print("\nEnding …");
    isInterrupted = true;
    interrupt();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, onSignal);
  }
  const startMs = performance.now();
  print(
    "aranya demo: a Kubernetes control plane, the operator, and one device with its agent.",
  );
  await prepareModules();
  await prepareBinaries();
  const missing = await prepareEngine();
  if (missing) warn(missing);
  const starting = withProgress(
    "starting the world",
    () => World.start({ devices: [DEVICE], engine: "optional" }),
  );
  await using world = await starting;
  const device = world.devices.get(DEVICE);
  if (!device) throw new Error("the device is not there");
  if (isInterrupted) return 130;
  print(`Up after ${formatElapsed(performance.now() - startMs)}.`);
  const tour = new Tour({ world, device, isEnded: () => isInterrupted });
  await tour.run();
  if (once || isInterrupted) return isInterrupted ? 130 : 0;
  await showWhatToTry(world, device);
  await interrupted;
  return 0;
}

async function showWhatToTry(world: World, device: Device): Promise<void> {
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
The cluster stays up until Ctrl-C. In another terminal:

  export KUBECONFIG=${kubeconfig}
  alias k='${enter}${kubectl}'

  k get nodes,edgedevices,pods -A -o wide
  k -n ${NAMESPACE} exec -it ${DEVICE} -- sh          # a shell on the device itself
  k -n ${NAMESPACE} get secret ${DEVICE}-agent -o jsonpath='{.data.agent\\.yaml}' | base64 -d
  k explain edgedevice.spec.connectivity
  k drain ${DEVICE} --ignore-daemonsets${
    device.dockerd
      ? `\n  docker -H unix://${device.dockerd.socket} ps   # the device's own engine`
      : ""
  }

Logs: ${join(world.network.folder, "logs")}`);
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main();
  } catch (error) {
    warn(error instanceof Error ? error.message : String(error));
    Deno.exitCode = 1;
  }
  // Signal listeners keep the process alive.
  Deno.exit();
}

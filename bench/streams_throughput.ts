// SPDX-License-Identifier: Apache-2.0
/** Rates of exec, cp, logs and port-forward. */
import { fromUtf8 } from "../lib/shared/base/mod.ts";
import { IMAGES } from "../dev/world/mod.ts";
import { until } from "../dev/base/wait.ts";
import { DEVICE, median, type StreamsRig } from "./streams_rig.ts";

const MEGA = 1_000_000;
const LOG_LINE = "0123456789".repeat(10);
const LOG_LINES = 1_000_000;
const PORT = 8080;
const GET_COUNT = 50;

/** Prints their lines of the table. */
export async function measureThroughput(rig: StreamsRig): Promise<void> {
  await measureExec(rig);
  await measureCopies(rig);
  await rig.world.kubectl.apply([logWriter(), server(rig.byteCount)]);
  await rig.shell(
    "k wait --for=condition=Ready --timeout=60s pod/log-writer pod/server",
  );
  await measureContainer(rig);
  await measureForward(rig);
  await rig.shell("k delete pod log-writer server --wait=false");
  await rig.printMemory("after bulk");
}

async function measureExec(rig: StreamsRig): Promise<void> {
  const { byteCount } = rig;
  const count = String(byteCount);
  const chunks = Math.ceil(byteCount / 65_536);
  await rig.measureRate("exec stdout, head", {
    script: `k exec ${DEVICE} -- head -c ${count} /dev/zero | wc -c`,
    byteCount,
    expected: count,
  });
  await rig.measureRate("exec stdout, dd bs=64k", {
    script:
      `k exec ${DEVICE} -- dd if=/dev/zero bs=64k count=${chunks} status=none | wc -c`,
    byteCount,
    expected: String(chunks * 65_536),
  });
  await rig.measureRate("exec stdin, dd", {
    script:
      `head -c ${count} /dev/zero | k exec -i ${DEVICE} -- dd of=/dev/null bs=64k status=none`,
    byteCount,
  });
  const sum = await rig.shell(
    `head -c ${count} /dev/urandom > bulk; sha256sum < bulk`,
  );
  await rig.measureRate("exec cat there and back, sha256", {
    script: `k exec -i ${DEVICE} -- cat < bulk | sha256sum`,
    byteCount,
    expected: sum,
  });
}

async function measureCopies(rig: StreamsRig): Promise<void> {
  const { byteCount } = rig;
  const path = `${DEVICE}:/tmp/aranya-bench`;
  const script = `k cp bulk ${path}`;
  await rig.measureRate("cp up", { script, byteCount });
  await rig.measureRate("cp down", {
    script: `k cp ${path} copy >&2; cmp bulk copy && echo same`,
    byteCount,
    expected: "same",
  });
  await rig.shell(`k exec ${DEVICE} -- rm /tmp/aranya-bench; rm copy`);
}

async function measureContainer(rig: StreamsRig): Promise<void> {
  const { byteCount } = rig;
  await rig.shell("k exec log-writer -- test -e /tmp/done");
  await rig.measureRate("logs of a container", {
    script: "k logs log-writer | wc -c",
    // The engine rotates its logs, so that only a part is left.
    byteCount: "printed",
  });
  await rig.measureRate("exec stdout in container, dd", {
    script: `k exec server -- dd if=/dev/zero bs=64k count=${
      Math.ceil(byteCount / 65_536)
    } 2>/dev/null | cat >/dev/null`,
    byteCount,
  });
}

async function measureForward(rig: StreamsRig): Promise<void> {
  const { byteCount, world } = rig;
  await using running = world.kubectl.start([
    ...["-n", "aranya", "port-forward", "pod/server", `:${PORT}`],
  ]);
  const reader = running.child.stdout.getReader();
  let output = "";
  const port = await until(async () => {
    output += fromUtf8((await reader.read()).value ?? new Uint8Array());
    return output.match(/127\.0\.0\.1:(\d+)/)?.[1];
  }, { what: "a forwarded port" });
  reader.releaseLock();
  await rig.measureRate("port-forward, one GET", {
    script: `curl -sS -o /dev/null http://127.0.0.1:${port}/bulk`,
    byteCount,
  });
  const url = `http://127.0.0.1:${port}/small`;
  const times = await rig.shell(
    `for i in $(seq ${GET_COUNT}); do curl -sS -o /dev/null -w '%{time_total} ' ${url}; done`,
  );
  const p50 = median(times.split(" ").map(Number)) * 1_000;
  await rig.printRow("port-forward, small GET", `${p50.toFixed(1)} ms`, "p50");
}

function logWriter(): object {
  const script =
    `yes ${LOG_LINE} | head -n ${LOG_LINES}; touch /tmp/done; sleep 3600`;
  return pod("log-writer", {
    command: ["sh", "-c", script],
    readinessProbe: { exec: { command: ["test", "-e", "/tmp/done"] } },
  });
}

function server(byteCount: number): object {
  const script = `mkdir /tmp/w && cd /tmp/w && echo small > small && head -c ${
    Math.round(byteCount / MEGA)
  }000000 /dev/zero > bulk && exec httpd -f -p ${PORT}`;
  return pod("server", {
    command: ["sh", "-c", script],
    readinessProbe: { tcpSocket: { port: PORT } },
  });
}

/** Returns a pod with one container for the device. */
export function pod(name: string, container: Record<string, unknown>): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "aranya", labels: { app: "bench" } },
    spec: {
      nodeName: DEVICE,
      tolerations: [{ operator: "Exists" }],
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      containers: [{ name: "main", image: IMAGES.busybox, ...container }],
    },
  };
}

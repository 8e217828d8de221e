// SPDX-License-Identifier: Apache-2.0
/** Rates of exec, cp, logs and port-forward. */
import { fromUtf8 } from "../lib/shared/base/mod.ts";
import { IMAGES } from "../dev/world/images.ts";
import { until } from "../dev/base/wait.ts";
import { type Bench, DEVICE, median } from "./streams_world.ts";

const MEGA = 1_000_000;
const LOG_LINE = "0123456789".repeat(10);
const LOG_LINES = 1_000_000;
const PORT = 8080;
const GET_COUNT = 50;

/** Adds their lines to the table. */
export async function measureBytes(bench: Bench): Promise<void> {
  await measureExec(bench);
  await measureCopies(bench);
  await bench.world.kubectl.apply([talker(), server(bench.byteCount)]);
  await bench.shell(
    "k wait --for=condition=Ready --timeout=60s pod/talker pod/server",
  );
  await measureContainer(bench);
  await measureForward(bench);
  await bench.shell("k delete pod talker server --wait=false");
  await bench.memory("after bulk");
}

async function measureExec(bench: Bench): Promise<void> {
  const { byteCount } = bench;
  const count = String(byteCount);
  const chunks = Math.ceil(byteCount / 65_536);
  await bench.bytes("exec stdout, head", {
    script: `k exec ${DEVICE} -- head -c ${count} /dev/zero | wc -c`,
    byteCount,
    expected: count,
  });
  await bench.bytes("exec stdout, dd bs=64k", {
    script:
      `k exec ${DEVICE} -- dd if=/dev/zero bs=64k count=${chunks} status=none | wc -c`,
    byteCount,
    expected: String(chunks * 65_536),
  });
  await bench.bytes("exec stdin, dd", {
    script:
      `head -c ${count} /dev/zero | k exec -i ${DEVICE} -- dd of=/dev/null bs=64k status=none`,
    byteCount,
  });
  const sum = await bench.shell(
    `head -c ${count} /dev/urandom > bulk; sha256sum < bulk`,
  );
  await bench.bytes("exec cat there and back, sha256", {
    script: `k exec -i ${DEVICE} -- cat < bulk | sha256sum`,
    byteCount,
    expected: sum,
  });
}

async function measureCopies(bench: Bench): Promise<void> {
  const { byteCount } = bench;
  const path = `${DEVICE}:/tmp/aranya-bench`;
  const script = `k cp bulk ${path}`;
  await bench.bytes("cp up", { script, byteCount });
  await bench.bytes("cp down", {
    script: `k cp ${path} copy >&2; cmp bulk copy && echo same`,
    byteCount,
    expected: "same",
  });
  await bench.shell(`k exec ${DEVICE} -- rm /tmp/aranya-bench; rm copy`);
}

async function measureContainer(bench: Bench): Promise<void> {
  const { byteCount } = bench;
  await bench.shell("k exec talker -- test -e /tmp/done");
  await bench.bytes("logs of a container", {
    script: "k logs talker | wc -c",
    // The engine rotates: a part of what was written is kept.
    byteCount: "printed",
  });
  await bench.bytes("exec stdout in container, dd", {
    script: `k exec server -- dd if=/dev/zero bs=64k count=${
      Math.ceil(byteCount / 65_536)
    } 2>/dev/null | cat >/dev/null`,
    byteCount,
  });
}

async function measureForward(bench: Bench): Promise<void> {
  const { byteCount, world } = bench;
  await using running = world.kubectl.start([
    ...["-n", "aranya", "port-forward", "pod/server", `:${PORT}`],
  ]);
  const reader = running.child.stdout.getReader();
  let said = "";
  const port = await until(async () => {
    said += fromUtf8((await reader.read()).value ?? new Uint8Array());
    return said.match(/127\.0\.0\.1:(\d+)/)?.[1];
  }, { what: "a forwarded port" });
  reader.releaseLock();
  await bench.bytes("port-forward, one GET", {
    script: `curl -sS -o /dev/null http://127.0.0.1:${port}/bulk`,
    byteCount,
  });
  const url = `http://127.0.0.1:${port}/small`;
  const times = await bench.shell(
    `for i in $(seq ${GET_COUNT}); do curl -sS -o /dev/null -w '%{time_total} ' ${url}; done`,
  );
  const p50 = median(times.split(" ").map(Number)) * 1_000;
  await bench.row("port-forward, small GET", `${p50.toFixed(1)} ms`, "p50");
}

function talker(): object {
  const script =
    `yes ${LOG_LINE} | head -n ${LOG_LINES}; touch /tmp/done; sleep 3600`;
  return pod("talker", {
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

/** A pod of one container for the device. */
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

// SPDX-License-Identifier: Apache-2.0
/**
 * One operator on a host of its own while the API server is down or hangs. `deno task soak:outage`
 * runs it with five minutes.
 */
import assert from "node:assert/strict";
import { print } from "../../dev/base/terminal.ts";
import { until } from "../../dev/base/wait.ts";
import {
  COUNTER_SCRIPT,
  execCounter,
  readCounter,
} from "./_support/counter.ts";
import { NodeWatch } from "./_support/node_watch.ts";
import {
  container,
  containerId,
  firstContainer,
  isReady,
  type PodObject,
  podOn,
  untilPod,
} from "./_support/pods.ts";
import {
  DEVICE,
  kubectl,
  mustDevice,
  scenario,
  useWorld,
} from "./_support/scenario.ts";

const DEVICES = [DEVICE, "edge-2"];
const POD = "survivor";
/**
 * By default longer than each limit of a minute or less: `offlineAfter`, Leases, the controller
 * manager's grace for Nodes (50 s), the operator's limit for connections without a link (60 s).
 */
const OUTAGE_MS = Number(Deno.env.get("ARANYA_OUTAGE") ?? 75) * 1000;
const HANG_MS = 30_000;
/** Everything works again within this time after the API server. */
const RESUME_MS = 10_000;
/** Makes the pod not Ready. */
const UNREADY_FILE = "/tmp/unready";

const world = useWorld({ operatorHosts: ["host-a"], devices: DEVICES });

/** Starts the pod unless it runs. */
async function startPod(): Promise<PodObject> {
  await world().kubectl.apply(podOn(DEVICE, POD, {
    containers: [container(COUNTER_SCRIPT, {
      readinessProbe: {
        exec: { command: ["test", "!", "-e", UNREADY_FILE] },
        periodSeconds: 1,
        failureThreshold: 1,
      },
    })],
  }));
  return await untilPod(world(), POD, {
    what: "Ready",
    is: isReady,
    timeoutMs: 120_000,
  });
}

/** Runs a program in the container, without Kubernetes. */
async function runInContainer(pod: PodObject, ...args: string[]) {
  const { dockerd } = mustDevice(world());
  await dockerd.run(["exec", containerId(pod), ...args]);
}

/** Returns identity and start time of the container, as the engine has them. */
function containerState(pod: PodObject): Promise<string> {
  return mustDevice(world()).dockerd.run([
    ...["inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.State.Running}}"],
    containerId(pod),
  ]);
}

/** Returns how many links of all devices have ended so far. */
async function countEndedLinks(): Promise<number> {
  const logs = await Promise.all(
    DEVICES.map((name) =>
      Deno.readTextFile(mustDevice(world(), name).agent.log)
    ),
  );
  return logs.join("").split("link is down").length - 1;
}

/** Waits until an outage has lasted this long; the operator must run and keep all links. */
async function endure(startMs: number, outageMs: number): Promise<void> {
  await until(() => performance.now() - startMs > outageMs, {
    what: "the end of the outage",
    timeoutMs: outageMs + 10_000,
  });
  const page = await world().operator.get("/metrics");
  assert.match(page, /^aranya_suspended 1$/m);
  assert.match(
    page,
    new RegExp(`^aranya_devices_connected ${DEVICES.length}$`, "m"),
  );
}

/** Waits until kubectl exec works on each host and in the pod. */
async function untilExecWorks(): Promise<void> {
  await until(async () => {
    const results = await Promise.all(
      [...DEVICES, POD].map((pod) =>
        kubectl(world(), "exec", pod, "--", "echo", "works")
      ),
    );
    return results.every(({ stdout }) => stdout === "works\n");
  }, { what: "exec on hosts and pod", timeoutMs: RESUME_MS });
}

scenario(
  `no link ends and no pod restarts while the API server is down for ${
    OUTAGE_MS / 1000
  } s; everything works within 10 s after it`,
  async () => {
    const pod = await startPod();
    const before = await containerState(pod);
    const linkCount = await countEndedLinks();
    const { apiserver, controllerManager } = world().controlPlane;
    await using nodes = new NodeWatch(world());
    await using exec = execCounter(world(), POD);
    await using logs = readCounter(world(), "logs", "-f", POD);
    for (const one of [exec, logs]) await one.untilMore(5);
    const downMs = performance.now();
    await apiserver.crash();
    // It exits when it can't renew its own Lease, and is started again by whoever supervises it.
    await controllerManager.crash();
    // The API server's own end of kubectl's connections.
    for (const one of [exec, logs]) {
      await one.untilEnded();
      one.assertFromStart();
    }
    await runInContainer(pod, "touch", UNREADY_FILE);
    await endure(downMs, OUTAGE_MS);
    await apiserver.restart();
    const upMs = performance.now();
    const restarted = controllerManager.restart();
    const elapsedMs = () => Math.round(performance.now() - upMs);
    await untilExecWorks();
    const execMs = elapsedMs();
    await untilPod(world(), POD, {
      what: "not Ready",
      is: (one) => !isReady(one),
      timeoutMs: Math.max(0, RESUME_MS - execMs),
    });
    print(
      `API server down for ${
        OUTAGE_MS / 1000
      } s: exec after ${execMs} ms, status after ${elapsedMs()} ms`,
    );
    await runInContainer(pod, "rm", UNREADY_FILE);
    const after = await untilPod(world(), POD, {
      what: "Ready",
      is: isReady,
      timeoutMs: RESUME_MS,
    });
    assert.equal(firstContainer(after)?.restartCount, 0);
    assert.equal(await containerState(after), before);
    assert.equal(await countEndedLinks(), linkCount);
    await restarted;
    nodes.assertAlwaysReady();
  },
  { restarts: true, timeoutMs: OUTAGE_MS + 300_000 },
);

scenario(
  "exec and logs -f continue when the API server hangs for 30 s",
  async () => {
    const pod = await startPod();
    const before = await containerState(pod);
    const linkCount = await countEndedLinks();
    const { apiserver } = world().controlPlane;
    await using exec = execCounter(world(), POD);
    await using logs = readCounter(world(), "logs", "-f", POD);
    for (const one of [exec, logs]) await one.untilMore(5);
    const hangMs = performance.now();
    apiserver.freeze();
    try {
      await endure(hangMs, HANG_MS);
    } finally {
      apiserver.thaw();
    }
    for (const one of [exec, logs]) {
      await one.untilMore(HANG_MS / 100);
      one.assertFromStart();
    }
    await untilExecWorks();
    assert.equal(await containerState(pod), before);
    assert.equal(await countEndedLinks(), linkCount);
  },
  { restarts: true },
);

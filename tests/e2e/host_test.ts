// SPDX-License-Identifier: Apache-2.0
/** A device's Node, and its host through the virtual pod. */
import assert from "node:assert/strict";
import { tryRun } from "../../dev/base/run.ts";
import { until } from "../../dev/base/wait.ts";
import { type KubeObject, NAMESPACE } from "../../dev/world/mod.ts";
import { assertCatReturns } from "./_support/cat.ts";
import {
  DEVICE,
  kubectl,
  mustDevice,
  onHost,
  scenario,
  untilServed,
  useWorld,
} from "./_support/scenario.ts";

const world = useWorld();

interface NodeObject extends KubeObject {
  spec: {
    taints?: { key: string; value?: string; effect: string }[];
    providerID?: string;
  };
  status: {
    addresses: { type: string; address: string }[];
    daemonEndpoints: { kubeletEndpoint: { Port: number } };
    capacity: Record<string, string>;
    allocatable: Record<string, string>;
    nodeInfo: Record<string, string>;
    conditions: { type: string; status: string }[];
  };
}

scenario(
  "a device is a Ready Node with labels, taint, address and kubelet port",
  async () => {
    const node = await world().kubectl.find<NodeObject>(["node", DEVICE]);
    assert.ok(node);
    const labels = node.metadata.labels as Record<string, string>;
    assert.equal(labels["arhat.dev/role"], "EdgeDevice");
    assert.equal(labels["arhat.dev/name"], DEVICE);
    assert.equal(labels["arhat.dev/namespace"], NAMESPACE);
    assert.equal(labels["kubernetes.io/os"], "linux");
    assert.equal(node.spec.providerID, `aranya://${NAMESPACE}/${DEVICE}`);
    assert.ok(
      node.spec.taints?.some((one) =>
        one.key === "arhat.dev/namespace" && one.value === NAMESPACE &&
        one.effect === "NoSchedule"
      ),
    );
    const address = world().network.controlPlane.address;
    assert.ok(
      node.status.addresses.some((one) =>
        one.type === "InternalIP" && one.address === address
      ),
    );
    const port = node.status.daemonEndpoints.kubeletEndpoint.Port;
    assert.ok(port >= 20000 && port <= 29999, `port ${port}`);
    assert.equal(
      node.status.nodeInfo.architecture,
      Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    );
    assert.equal(node.status.capacity.pods, "11");
  },
);

scenario(
  "a device has a Lease, a Service with an EndpointSlice, a Secret and a virtual pod",
  async () => {
    const names = async (...args: string[]) =>
      (await world().run("get", ...args, "-o", "name")).trim();
    assert.ok(
      await world().kubectl.find(["-n", "kube-node-lease", "lease", DEVICE]),
    );
    assert.equal(await names("service", DEVICE), `service/${DEVICE}`);
    assert.match(
      await names(
        "endpointslice",
        "-l",
        `kubernetes.io/service-name=${DEVICE}`,
      ),
      /^endpointslice/,
    );
    const secret = await world().kubectl.find<{ data: Record<string, string> }>(
      ["-n", NAMESPACE, "secret", `${DEVICE}-agent`],
    );
    assert.deepEqual(Object.keys(secret?.data ?? {}).sort(), [
      "agent.yaml",
      "ca.crt",
      "token",
    ]);
    const pod = await world().kubectl.find(["-n", NAMESPACE, "pod", DEVICE]);
    const [owner] = (pod?.metadata.ownerReferences ?? []) as {
      kind: string;
      controller: boolean;
    }[];
    assert.deepEqual([owner?.kind, owner?.controller], ["EdgeDevice", true]);
  },
);

scenario(
  "kubectl get edgedevices shows that the device is connected",
  async () => {
    const text = await world().run("get", "edgedevices");
    assert.match(text, new RegExp(`${DEVICE}\\s+grpc\\s+True\\s+True`));
  },
);

scenario("kubectl exec returns the exit code of the command", async () => {
  const result = await onHost(world(), "exit 7");
  assert.equal(result.code, 7);
});

scenario(
  "kubectl exec reports a command killed by a signal as 128 + n",
  async () => {
    const result = await onHost(world(), "kill -TERM $$");
    assert.equal(result.code, 143);
  },
);

scenario(
  "kubectl exec keeps standard output and standard error separate",
  async () => {
    const result = await onHost(world(), "echo out; echo err >&2");
    assert.equal(result.stdout, "out\n");
    assert.equal(result.stderr, "err\n");
    assert.equal(result.code, 0);
  },
);

scenario(
  "kubectl exec runs on the device, which can't reach the API server",
  async () => {
    const { apiserver } = world().controlPlane;
    const port = new URL(apiserver.url).port;
    const address = world().network.controlPlane.address;
    const script =
      `hostname; (exec 3<>/dev/tcp/${address}/${port}) 2>/dev/null && echo reached`;
    const result = await kubectl(
      world(),
      "exec",
      DEVICE,
      "--",
      "bash",
      "-c",
      script,
    );
    assert.equal(result.stdout, `${DEVICE}\n`);
  },
);

scenario(
  "kubectl exec -i passes the end of standard input to the command",
  async () => {
    const result = await world().kubectl.tryRun(
      ["-n", NAMESPACE, "exec", "-i", DEVICE, "--", "wc", "-c"],
      { stdin: "12345" },
    );
    assert.equal(result.stdout.trim(), "5");
  },
);

scenario("kubectl exec names a command that does not exist", async () => {
  const result = await kubectl(
    world(),
    "exec",
    DEVICE,
    "--",
    "no-such-command",
  );
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /no-such-command/);
});

scenario(
  "kubectl exec -i carries 200 MB to cat and back unchanged",
  async () => {
    await assertCatReturns(world(), { target: [DEVICE], sizeMegabytes: 200 });
  },
  // As fast as the machine is: ten seconds, or minutes beside other tests.
  { timeoutMs: 600_000 },
);

scenario("kubectl cp copies a folder to the device and back", async () => {
  const local = await Deno.makeTempDir({ prefix: "aranya-cp-" });
  try {
    await Deno.mkdir(`${local}/up/deep`, { recursive: true });
    await Deno.writeTextFile(`${local}/up/one.txt`, "one");
    await Deno.writeTextFile(
      `${local}/up/deep/two.txt`,
      "two\n".repeat(100_000),
    );
    const up = await kubectl(world(), "cp", `${local}/up`, `${DEVICE}:/run/up`);
    assert.equal(up.code, 0, up.stderr);
    const down = await kubectl(
      world(),
      "cp",
      `${DEVICE}:/run/up`,
      `${local}/down`,
    );
    assert.equal(down.code, 0, down.stderr);
    assert.equal(await Deno.readTextFile(`${local}/down/one.txt`), "one");
    assert.equal(
      await Deno.readTextFile(`${local}/down/deep/two.txt`),
      "two\n".repeat(100_000),
    );
  } finally {
    await Deno.remove(local, { recursive: true });
  }
});

scenario(
  "kubectl exec -it gives the command a terminal of the caller's size",
  async () => {
    const { machine, program, kubeconfig } = world().kubectl;
    const command =
      `stty rows 40 cols 100; ${program} --kubeconfig=${kubeconfig} -n ${NAMESPACE} exec -it ${DEVICE} -- sh -c 'tty; stty size; exit 3'`;
    const [first = "", ...args] = machine.wrap([
      "script",
      "-qec",
      command,
      "/dev/null",
    ]);
    const result = await tryRun(first, { args });
    assert.match(result.stdout, /\/dev\/pts\/\d+/);
    assert.match(result.stdout, /40 100/);
    assert.equal(result.code, 3);
  },
);

scenario(
  "kubectl logs of the virtual pod shows the configured log file",
  async () => {
    const { machine, agent } = mustDevice(world());
    const before = await Deno.readTextFile(agent.configFile);
    await machine.run("sh", {
      args: ["-c", "echo a line of the device > /run/device.log"],
    });
    await agent.configure(withHost(before, "logFile: /run/device.log"));
    await agent.restart();
    const text = await until(async () => {
      const result = await kubectl(world(), "logs", DEVICE);
      return result.code === 0 ? result.stdout : undefined;
    }, { what: "the device's log" });
    assert.equal(text, "a line of the device\n");
    await agent.configure(before);
    await agent.restart();
    await world().untilNodeReady(DEVICE);
  },
  { restarts: true },
);

scenario(
  "kubectl exec is refused, and names host.exec, when the device's owner switched it off",
  async () => {
    const { agent } = mustDevice(world());
    const before = await Deno.readTextFile(agent.configFile);
    await agent.configure(withHost(before, "exec: false"));
    await agent.restart();
    const refusal = await until(async () => {
      const result = await kubectl(world(), "exec", DEVICE, "--", "true");
      return /host\.exec/.test(result.stderr) && result;
    }, { what: "a refusal that names host.exec" });
    assert.notEqual(refusal.code, 0);
    await agent.configure(before);
    await agent.restart();
    await untilServed(world());
  },
  { restarts: true },
);

scenario("a process under nohup survives kubectl and the agent", async () => {
  const { machine, agent } = mustDevice(world());
  // No other program on this machine has these arguments.
  const command = `sleep ${1_000_000 + Math.floor(Math.random() * 1e9)}`;
  await onHost(world(), `nohup ${command} >/dev/null 2>&1 &`);
  const runs = async () =>
    (await machine.tryRun("pgrep", { args: ["-x", "-f", command] }))
      .code === 0;
  await until(runs, { what: "the process" });
  await agent.stop();
  assert.equal(await runs(), true);
  await agent.restart();
  await world().untilNodeReady(DEVICE);
  assert.equal(await runs(), true);
  await machine.run("pkill", { args: ["-x", "-f", command] });
}, { restarts: true });

/** Returns an agent.yaml with a key in its `host` section. */
function withHost(config: string, line: string): string {
  const [key = ""] = line.split(":");
  const kept = config.split("\n").filter((one) =>
    !one.trim().startsWith(`${key}:`)
  );
  const at = kept.findIndex((one) => one.startsWith("host:"));
  if (at < 0) return `${kept.join("\n").trimEnd()}\nhost:\n  ${line}\n`;
  return [...kept.slice(0, at + 1), `  ${line}`, ...kept.slice(at + 1)].join(
    "\n",
  );
}

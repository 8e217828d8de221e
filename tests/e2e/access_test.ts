// SPDX-License-Identifier: Apache-2.0
/** Access to the ports: unauthenticated and unauthorized clients are refused. */
import assert from "node:assert/strict";
import { until } from "../../dev/base/wait.ts";
import {
  Agent,
  makeAuthority,
  makeCertificate,
  NAMESPACE,
} from "../../dev/world/mod.ts";
import { probe, sendGarbage } from "./_support/probe.ts";
import {
  DEVICE,
  kubectl,
  mustDevice,
  scenario,
  untilCondition,
  untilServed,
  useWorld,
} from "./_support/scenario.ts";

const OTHER = "edge-2";
const world = useWorld({ devices: [DEVICE, OTHER] });
async function kubeletUrl(path: string): Promise<string> {
  const port = await world().kubectl.run([
    ...["get", "node", DEVICE, "-o"],
    "jsonpath={.status.daemonEndpoints.kubeletEndpoint.Port}",
  ]);
  return `https://${world().network.controlPlane.address}:${port}${path}`;
}

const PATHS = [
  "/pods",
  "/runningpods/",
  "/stats/summary",
  "/metrics/resource",
  `/containerLogs/${NAMESPACE}/${DEVICE}/host`,
  `/exec/${NAMESPACE}/${DEVICE}/host?command=id&output=1`,
  `/attach/${NAMESPACE}/${DEVICE}/host?output=1`,
  `/portForward/${NAMESPACE}/${DEVICE}?port=22`,
  // Paths of a kubelet that are not served, and one of none.
  `/run/${NAMESPACE}/${DEVICE}/host?cmd=id`,
  "/logs/",
  "/configz",
  "/absent",
];

scenario(
  "a kubelet port serves the API server's client certificate",
  async () => {
    const { machine } = mustDevice(world());
    const client = world().controlPlane.apiserver.keys.kubeletClient;
    for (const path of ["/healthz", "/pods", "/stats/summary"]) {
      const url = await kubeletUrl(path);
      assert.equal(await probe(machine, { url, client }), "200", path);
    }
  },
);

scenario(
  "a kubelet port refuses a client without a certificate",
  async () => {
    const { machine } = mustDevice(world());
    for (const path of PATHS) {
      const url = await kubeletUrl(path);
      assert.equal(await probe(machine, { url }), "401", path);
    }
  },
);

scenario(
  "a kubelet port refuses a self-signed client certificate",
  async () => {
    const { machine } = mustDevice(world());
    const own = await makeAuthority(machine.folder, "untrusted-ca");
    const client = await makeCertificate(machine.folder, own, {
      name: "untrusted",
      commonName: "system:admin",
      organizations: ["system:masters"],
    });
    assert.equal(
      await probe(machine, { url: await kubeletUrl("/pods"), client }),
      "401",
    );
  },
);

scenario(
  "a kubelet port answers 403 to a user without rights on nodes/proxy",
  async () => {
    const { machine } = mustDevice(world());
    const { keys } = world().controlPlane.apiserver;
    const client = await makeCertificate(machine.folder, keys.clients, {
      name: "no-rights",
      commonName: "no-rights",
    });
    for (const path of PATHS) {
      assert.equal(
        await probe(machine, { url: await kubeletUrl(path), client }),
        "403",
        path,
      );
    }
  },
);

scenario(
  "a kubelet port answers 403 to a service account without rights, and 401 to an invalid token",
  async () => {
    const { machine } = mustDevice(world());
    const token = (await world().run("create", "token", "default")).trim();
    assert.equal(
      await probe(machine, { url: await kubeletUrl("/pods"), token }),
      "403",
    );
    assert.equal(
      await probe(machine, {
        url: await kubeletUrl("/pods"),
        token: `${token}x`,
      }),
      "401",
    );
  },
);

scenario(
  "an administrator reaches the kubelet port through the API server",
  async () => {
    const text = await world().kubectl.run([
      "get",
      "--raw",
      `/api/v1/nodes/${DEVICE}/proxy/healthz`,
    ]);
    assert.equal(text, "ok");
  },
);

scenario(
  "the API server answers 403 to a user without rights on pods/exec",
  async () => {
    const kubeconfig = await world().controlPlane.apiserver.makeUser({
      name: "no-exec",
    });
    const result = await world().kubectl.as(kubeconfig).tryRun([
      "-n",
      NAMESPACE,
      "exec",
      DEVICE,
      "--",
      "id",
    ]);
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /Forbidden|forbidden/);
  },
);

scenario(
  "random bytes on the gRPC, kubelet and HTTP ports close the connection, and devices stay connected",
  async () => {
    const { machine } = mustDevice(world());
    const { address } = world().network.controlPlane;
    const kubelet = Number(new URL(await kubeletUrl("/")).port);
    for (
      const port of [
        world().operator.grpcPort,
        kubelet,
        world().operator.httpPort,
      ]
    ) {
      assert.match(
        await sendGarbage(machine, { address, port }),
        /^(closed|answered \d+|ConnectionReset)$/,
        `port ${port}`,
      );
    }
    assert.equal(
      (await kubectl(world(), "exec", DEVICE, "--", "echo", "fine")).stdout,
      "fine\n",
    );
    assert.equal(world().operator.program?.running, true);
  },
);

scenario(
  "the operator's HTTP port has health and metrics for every client, and nothing else",
  async () => {
    const { machine } = mustDevice(world());
    const { address } = world().network.controlPlane;
    const base = `http://${address}:${world().operator.httpPort}`;
    const statuses = {
      "/healthz": "200",
      "/readyz": "200",
      "/metrics": "200",
      "/pods": "404",
      "/": "404",
    };
    for (const [path, status] of Object.entries(statuses)) {
      assert.equal(await probe(machine, { url: base + path }), status, path);
    }
  },
);

scenario(
  "a device with another device's credential is refused, and both devices stay connected",
  async () => {
    const other = mustDevice(world(), OTHER);
    const mine = await world().agentConfig(DEVICE);
    const config = (await world().agentConfig(OTHER)).replace(
      /^device: .*$/m,
      `device: ${DEVICE}`,
    );
    assert.notEqual(config, mine);
    await using impostor = await Agent.start({
      machine: other.machine,
      config: `${config.trimEnd()}\nstateDir: /var/lib/aranya/impostor\n`,
      logs: world().controlPlane.apiserver.logs,
      name: "impostor",
    });
    await until(
      async () => /credential/i.test(await Deno.readTextFile(impostor.log)),
      {
        what: "a log line about the credential",
        detail: () => impostor.logTail(),
      },
    );
    const names = await Promise.all(
      [DEVICE, OTHER].map(async (name) =>
        (await kubectl(world(), "exec", name, "--", "hostname")).stdout.trim()
      ),
    );
    assert.deepEqual(names, [DEVICE, OTHER]);
  },
  { restarts: true },
);

scenario(
  "a clone on another machine is refused with condition DuplicateDevice, and the first machine stays connected",
  async () => {
    const other = mustDevice(world(), OTHER);
    const config = await world().agentConfig(DEVICE);
    await using clone = await Agent.start({
      machine: other.machine,
      config: `${config.trimEnd()}\nstateDir: /var/lib/aranya/clone\n`,
      logs: world().controlPlane.apiserver.logs,
      name: "clone",
    });
    await untilCondition(world(), {
      kind: "edgedevice",
      name: DEVICE,
      type: "DuplicateDevice",
      status: "True",
    }, { timeoutMs: 30_000, detail: () => clone.logTail() });
    assert.equal(
      (await kubectl(world(), "exec", DEVICE, "--", "hostname")).stdout.trim(),
      DEVICE,
    );
  },
  { restarts: true },
);

scenario(
  "deleting a device's Secret ends its link and revokes its credential; a new one is accepted",
  async () => {
    const { agent } = mustDevice(world());
    const before = await world().agentConfig(DEVICE);
    await world().run("delete", "secret", `${DEVICE}-agent`);
    const after = await until(async () => {
      const now = await world().agentConfig(DEVICE);
      return now !== before && now;
    }, { what: "a new credential" });
    await until(
      async () => /credential/i.test(await Deno.readTextFile(agent.log)),
      {
        what: "an agent whose credential is refused",
        detail: () => agent.logTail(),
      },
    );
    await agent.configure(after);
    await agent.restart();
    await untilServed(world());
  },
  { restarts: true },
);

// SPDX-License-Identifier: Apache-2.0
/** Whoever may not is refused, on every port. */
import assert from "node:assert/strict";
import {
  Agent,
  makeAuthority,
  makeCertificate,
  NAMESPACE,
  probe,
  sendGarbage,
  until,
} from "../_support/mod.ts";
import {
  DEVICE,
  kubectl,
  mustDevice,
  story,
  useWorld,
} from "./_support/story.ts";

const OTHER = "edge-2";
const world = useWorld({ devices: [DEVICE, OTHER] });
const REFUSED = /^(401|403)$|reset|certificate|closed|refused|Alert|handshake/i;

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
];

story(
  "a stranger without a certificate gets nothing from a kubelet port",
  async () => {
    const { machine } = mustDevice(world());
    for (const path of PATHS) {
      assert.match(
        await probe(machine, { url: await kubeletUrl(path) }),
        REFUSED,
        path,
      );
    }
  },
);

story(
  "a self-signed certificate gets nothing from a kubelet port",
  async () => {
    const { machine } = mustDevice(world());
    const own = await makeAuthority(machine.folder, "stranger-ca");
    const client = await makeCertificate(machine.folder, own, {
      name: "stranger",
      commonName: "system:admin",
      organizations: ["system:masters"],
    });
    assert.match(
      await probe(machine, { url: await kubeletUrl("/pods"), client }),
      REFUSED,
    );
  },
);

story(
  "a user without rights on nodes/proxy gets 403 from a kubelet port",
  async () => {
    const { machine } = mustDevice(world());
    const { keys } = world().controlPlane.apiserver;
    const client = await makeCertificate(machine.folder, keys.clients, {
      name: "nobody",
      commonName: "nobody",
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

story(
  "a service account's token without rights gets 403, a wrong one 401",
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

story(
  "an administrator is served by the kubelet port, through the API server too",
  async () => {
    const text = await world().kubectl.run([
      "get",
      "--raw",
      `/api/v1/nodes/${DEVICE}/proxy/healthz`,
    ]);
    assert.equal(text, "ok");
  },
);

story(
  "a user without rights on pods/exec gets 403 from the API server",
  async () => {
    const kubeconfig = await world().controlPlane.apiserver.makeUser({
      name: "nobody-else",
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

story(
  "garbage on the gRPC port and on the kubelet port is closed, and devices stay connected",
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
      assert.notEqual(
        await sendGarbage(machine, { address, port }),
        "still open",
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

story(
  "a device with another device's credential is refused and disturbs nobody",
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
        what: "an impostor that is told about its credential",
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

story(
  "a clone on another machine is refused with condition DuplicateDevice; the one in control stays",
  async () => {
    const other = mustDevice(world(), OTHER);
    const config = await world().agentConfig(DEVICE);
    await using clone = await Agent.start({
      machine: other.machine,
      config: `${config.trimEnd()}\nstateDir: /var/lib/aranya/clone\n`,
      logs: world().controlPlane.apiserver.logs,
      name: "clone",
    });
    await until(
      async () =>
        (await world().run(
          "get",
          "edgedevice",
          DEVICE,
          "-o",
          'jsonpath={.status.conditions[?(@.type=="DuplicateDevice")].status}',
        )) === "True",
      {
        what: "condition DuplicateDevice",
        detail: () => clone.logTail(),
      },
    );
    assert.equal(
      (await kubectl(world(), "exec", DEVICE, "--", "hostname")).stdout.trim(),
      DEVICE,
    );
  },
  { restarts: true },
);

story(
  "a deleted Secret revokes: the link ends, the old credential is refused, the new one serves",
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
        what: "an agent that is refused",
        detail: () => agent.logTail(),
      },
    );
    await agent.configure(after);
    await agent.restart();
    await until(
      async () =>
        (await kubectl(world(), "exec", DEVICE, "--", "true")).code === 0,
      { what: "a device that is back", timeoutMs: 60_000 },
    );
  },
  { restarts: true },
);

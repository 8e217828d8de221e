// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  DockerHttpClient,
  inspectContainer,
  inspectNetwork,
  killContainer,
  removeContainer,
} from "../../../lib/agent/docker/mod.ts";
import { ensureInfraImage } from "../../../lib/agent/runtime/infra_image.ts";
import { formatSandboxName } from "../../../lib/agent/runtime/labels.ts";
import {
  Sandboxes,
  toSandboxCreate,
} from "../../../lib/agent/runtime/sandboxes.ts";
import {
  create,
  DnsSchema,
  HostAliasSchema,
  SysctlSchema,
} from "../../../lib/shared/wire/mod.ts";
import { until } from "../../../dev/base/wait.ts";
import { Dockerd } from "../../../dev/world/mod.ts";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { FakeDockerClient } from "./_support/fake_docker_client.ts";
import { POD_UID, sandboxRequest } from "./_support/requests.ts";

const CONTEXT = { device: "dev", network: "aranya-dev" };

const { signal } = new AbortController();

Deno.test("toSandboxCreate() translates hostname, DNS, aliases and sysctls", () => {
  const { Hostname, HostConfig } = toSandboxCreate(
    sandboxRequest({
      dns: create(DnsSchema, {
        servers: ["10.0.0.10"],
        searches: ["a.svc"],
        options: ["ndots:5"],
      }),
      hostAliases: [
        create(HostAliasSchema, { ip: "10.1.1.1", names: ["a", "b"] }),
      ],
      sysctls: [
        create(SysctlSchema, { name: "net.core.somaxconn", value: "1" }),
      ],
    }),
    CONTEXT,
  );
  assert.equal(Hostname, "web");
  assert.equal(HostConfig.NetworkMode, "aranya-dev");
  assert.deepEqual(HostConfig.Dns, ["10.0.0.10"]);
  assert.deepEqual(HostConfig.ExtraHosts, ["a:10.1.1.1", "b:10.1.1.1"]);
  assert.deepEqual(HostConfig.Sysctls, { "net.core.somaxconn": "1" });
});

Deno.test("toSandboxCreate() uses the host's namespaces when asked", () => {
  const { Hostname, HostConfig } = toSandboxCreate(
    sandboxRequest({ hostNetwork: true, hostPid: true, hostIpc: true }),
    CONTEXT,
  );
  assert.equal(Hostname, undefined);
  assert.deepEqual(
    [HostConfig.NetworkMode, HostConfig.PidMode, HostConfig.IpcMode],
    ["host", "host", "host"],
  );
});

Deno.test("toSandboxCreate() leaves restarts to the agent", () => {
  const { HostConfig } = toSandboxCreate(sandboxRequest(), CONTEXT);
  assert.deepEqual(HostConfig.RestartPolicy, { Name: "no" });
});

/** An engine that holds what it creates, and waits for `release` while it starts one. */
function createSlowEngine() {
  const created = new Set<string>();
  const uninspectable = new Set<string>();
  const starting = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const client = new FakeDockerClient({
    async respond({ method, path, query, action }) {
      if (path.startsWith("/networks/")) return { IPAM: {}, Containers: {} };
      if (path === "/containers/create") {
        const name = String(query?.["name"]);
        created.add(name);
        return { Id: name };
      }
      const name = decodeURIComponent(path.split("/")[2] ?? "");
      if (path.endsWith("/start")) {
        starting.resolve();
        return await released;
      }
      if (!created.has(name)) {
        throw new AranyaError("not_found", `${action}: no such container`);
      }
      if (method === "DELETE") {
        uninspectable.delete(name);
        return created.delete(name);
      }
      if (uninspectable.has(name)) {
        throw new AranyaError("internal", `${action}: RWLayer is nil`);
      }
      return {
        Id: name,
        State: { Running: true },
        NetworkSettings: { Networks: {} },
      };
    },
  });
  const sandboxes = new Sandboxes({ client, device: "dev" });
  return { created, uninspectable, starting, release, sandboxes };
}

Deno.test("ensure() leaves no infra container when the signal is aborted in the queue or during the start", async () => {
  const engine = createSlowEngine();
  const stop = new AbortController();
  const calls = ["first", "second"].map((podUid) =>
    engine.sandboxes.ensure(sandboxRequest({ podUid }), stop.signal)
  );
  await engine.starting.promise;
  stop.abort();
  engine.release();
  const results = await Promise.allSettled(calls);
  assert.deepEqual(results.map(({ status }) => status), [
    "rejected",
    "rejected",
  ]);
  assert.deepEqual([...engine.created], []);
});

Deno.test("ensure() replaces an infra container that the engine can't inspect", async () => {
  const engine = createSlowEngine();
  engine.release();
  const name = formatSandboxName("broken");
  engine.created.add(name);
  engine.uninspectable.add(name);
  await engine.sandboxes.ensure(sandboxRequest({ podUid: "broken" }), signal);
  assert.deepEqual([...engine.created], [name]);
  assert.equal(engine.uninspectable.size, 0);
});

Deno.test("Sandboxes on a real engine", async (test) => {
  await using engine = await Dockerd.start({ images: false });
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const arch = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
  await ensureInfraImage(client, arch);
  await ensureInfraImage(client, arch);
  const sandboxes = new Sandboxes({ client, device: "dev" });

  await test.step("ensure() replaces an infra container that has exited", async () => {
    await sandboxes.ensure(sandboxRequest(), signal);
    const id = (await sandboxes.find(POD_UID))?.Id ?? "";
    // A signal that comes before the program has begun is lost.
    const { State } = await until(async () => {
      await killContainer(client, { id, signalName: "SIGTERM" }).catch(
        () => {},
      );
      const inspected = await inspectContainer(client, id);
      return !inspected.State.Running && inspected;
    }, "an exit");
    assert.equal(State.ExitCode, 0);
    const { podIps } = await sandboxes.ensure(sandboxRequest(), signal);
    assert.equal(podIps.length, 1);
    assert.notEqual((await sandboxes.find(POD_UID))?.Id, id);
  });

  await test.step("ensure() fails for another range while the network is in use", async () => {
    await assert.rejects(
      sandboxes.ensure(
        sandboxRequest({ podUid: "other", podCidr: "10.200.9.0/26" }),
        signal,
      ),
      {
        code: "conflict",
        message:
          'Cannot use network "aranya-dev" for pods: its range is 10.200.7.0/26 and containers use it, expected range 10.200.9.0/26',
      },
    );
  });

  await test.step("ensure() recreates an unused network for another range", async () => {
    await removeContainer(client, formatSandboxName(POD_UID));
    const { podIps } = await sandboxes.ensure(
      sandboxRequest({ podCidr: "10.200.9.0/26" }),
      signal,
    );
    assert.match(podIps[0] ?? "", /^10\.200\.9\./);
  });

  await test.step("ensure() returns no address with hostNetwork", async () => {
    const request = sandboxRequest({ podUid: "host", hostNetwork: true });
    assert.deepEqual(await sandboxes.ensure(request, signal), { podIps: [] });
    await removeContainer(client, formatSandboxName("host"));
  });

  await test.step("removeIdleNetwork() keeps the network until the last pod is removed", async () => {
    await sandboxes.removeIdleNetwork();
    await inspectNetwork(client, sandboxes.network);
    await removeContainer(client, formatSandboxName(POD_UID));
    await sandboxes.removeIdleNetwork();
    await assert.rejects(inspectNetwork(client, sandboxes.network), {
      code: "not_found",
    });
  });
});

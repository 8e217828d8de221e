// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { ImageInspect } from "../../../lib/agent/docker/mod.ts";
import { toContainerCreate } from "../../../lib/agent/runtime/container_config.ts";
import type { ContainerRequest } from "../../../lib/agent/runtime/mod.ts";
import { containerRequest } from "./_support/requests.ts";

function convert(request: ContainerRequest, imageUser = "") {
  const image: ImageInspect = {
    Id: "sha256:1",
    Architecture: "amd64",
    Config: { User: imageUser },
  };
  return toContainerCreate(request, {
    device: "dev",
    sandboxId: "sb",
    image,
    memoryBytes: 4_000_000,
  });
}

Deno.test("toContainerCreate() translates command and args as Kubernetes does", () => {
  const cases: [string[], string[], unknown, unknown][] = [
    [[], [], undefined, undefined],
    [["c"], [], ["c"], []],
    [[], ["a"], undefined, ["a"]],
    [["c"], ["a"], ["c"], ["a"]],
  ];
  for (const [command, args, entrypoint, cmd] of cases) {
    const made = convert(containerRequest({}, { command, args }));
    assert.deepEqual([made.Entrypoint, made.Cmd], [entrypoint, cmd]);
  }
});

Deno.test("toContainerCreate() translates resources to cgroup limits", () => {
  const limits = (
    resources: NonNullable<
      Parameters<typeof containerRequest>[0]["resources"]
    >,
  ) => convert(containerRequest({ resources })).HostConfig;
  const both = limits({
    cpuLimitMillis: 500n,
    cpuRequestMillis: 250n,
    memoryLimitBytes: 1_000_000n,
  });
  assert.equal(both.CpuQuota, 50_000);
  assert.equal(both.CpuShares, 256);
  assert.deepEqual([both.Memory, both.MemorySwap], [1_000_000, 1_000_000]);
  // Burstable: a quarter of the machine's memory.
  assert.equal(both.OomScoreAdj, 750);
  assert.equal(limits({ cpuRequestMillis: 1n }).OomScoreAdj, 999);
  assert.equal(limits({ memoryRequestBytes: 4_000_000n }).OomScoreAdj, 3);
  const guaranteed = { cpuLimitMillis: 500n, memoryLimitBytes: 1_000_000n };
  assert.equal(limits(guaranteed).OomScoreAdj, undefined);
  assert.equal(limits({ cpuLimitMillis: 1n }).CpuQuota, 1_000);
  assert.equal(limits({}).CpuShares, 2);
  assert.equal(limits({}).OomScoreAdj, 1_000);
});

Deno.test("toContainerCreate() joins the pod's namespaces", () => {
  const plain = convert(containerRequest({})).HostConfig;
  assert.deepEqual(
    [plain.NetworkMode, plain.IpcMode, plain.PidMode],
    ["container:sb", "container:sb", undefined],
  );
  const shared = convert(
    containerRequest({}, { shareProcessNamespace: true, hostIpc: true }),
  ).HostConfig;
  assert.deepEqual([shared.IpcMode, shared.PidMode], ["host", "container:sb"]);
});

Deno.test("toContainerCreate() translates the security context", () => {
  const made = convert(containerRequest({
    security: {
      privileged: false,
      readOnlyRoot: true,
      addCapabilities: ["NET_ADMIN"],
      dropCapabilities: ["ALL"],
      allowPrivilegeEscalation: false,
      seccomp: "unconfined",
      procMount: "Unmasked",
    },
  })).HostConfig;
  assert.equal(made.ReadonlyRootfs, true);
  assert.deepEqual([made.CapAdd, made.CapDrop], [["NET_ADMIN"], ["ALL"]]);
  assert.deepEqual(made.SecurityOpt, [
    "no-new-privileges",
    "seccomp=unconfined",
  ]);
  assert.deepEqual([made.MaskedPaths, made.ReadonlyPaths], [[], []]);
});

Deno.test("toContainerCreate() returns user and group", () => {
  const userOf = (
    security: { runAsUser?: bigint; runAsGroup?: bigint },
    imageUser?: string,
  ) => convert(containerRequest({ security }), imageUser).User;
  assert.equal(userOf({}), undefined);
  assert.equal(userOf({ runAsUser: 0n }), "0");
  assert.equal(userOf({ runAsUser: 5n, runAsGroup: 6n }), "5:6");
  assert.equal(userOf({ runAsGroup: 6n }, "7:8"), "7:6");
  assert.equal(userOf({ runAsGroup: 6n }), "0:6");
});

Deno.test("toContainerCreate() throws for root and for user names with runAsNonRoot", () => {
  const check = (imageUser: string, runAsUser?: bigint) =>
    convert(
      containerRequest({
        security: {
          runAsNonRoot: true,
          ...(runAsUser === undefined ? {} : { runAsUser }),
        },
      }),
      imageUser,
    );
  for (const imageUser of ["", "root", "0", "0:5"]) {
    assert.throws(() => check(imageUser), /would run as root/);
  }
  assert.throws(() => check("www"), /"www" is a name, expected a number/);
  assert.throws(() => check("5", 0n), { code: "invalid" });
  check("5");
  check("root", 5n);
});

Deno.test("toContainerCreate() leaves restarts to the agent", () => {
  const { HostConfig, Healthcheck } = convert(containerRequest({}));
  assert.deepEqual(HostConfig.RestartPolicy, { Name: "no" });
  assert.deepEqual(Healthcheck, { Test: ["NONE"] });
});

Deno.test("toContainerCreate() translates mount propagation, and leaves None to the engine", () => {
  const bind = { source: "/s", target: "/t", readOnly: true };
  const made = convert(containerRequest({}, {
    binds: [{ ...bind, propagation: "" }, { ...bind, propagation: "rshared" }],
  }));
  assert.deepEqual(
    made.HostConfig.Mounts?.map((one) => one.BindOptions?.Propagation),
    [undefined, "rshared"],
  );
});

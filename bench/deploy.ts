// SPDX-License-Identifier: Apache-2.0
/**
 * How fast devices become usable, without agents: `deno task bench deploy --devices 300`.
 *
 * EdgeDevices are created as fast as the API server takes them; a device counts when its Node, Lease, answering kubelet port, Service with
 * EndpointSlice, Secret and virtual pod are there. Then they are deleted until nothing of them is left. The floor is the same writes, counted by
 * kind from the API server's audit log, sent bare with 16 in flight on the same API server.
 */
import { parseArgs } from "node:util";
import { fromUtf8, utf8 } from "../lib/shared/base/mod.ts";
import { createSigningRequest } from "../lib/operator/pki/mod.ts";
import { ControlPlane } from "../dev/world/control_plane.ts";
import { NAMESPACE, Operator } from "../dev/world/operator.ts";
import { edgeDevice } from "../dev/world/world.ts";
import { until } from "../dev/base/wait.ts";
import { BareApi, inParallel } from "./api.ts";
import { countWrites, type WriteCounts } from "./audit.ts";
import { countServed, type DeployCensus, takeCensus } from "./census.ts";
import { type Figures, render } from "./deploy_table.ts";
import { pathOf, replay, resourcesOf } from "./floor.ts";

const OPERATOR_USER = "system:serviceaccount:aranya:aranya";
const WIDTH = 16;
const FLOOR_NAMESPACE = "floor";

/** Runs the whole measurement once. */
async function measure(deviceCount: number): Promise<Figures> {
  await using plane = await ControlPlane.start({ audits: true });
  const { apiserver } = plane;
  await using operator = await Operator.start({
    apiserver,
    flags: ["--kubelet-ports", "0"],
  });
  using api = new BareApi({
    url: apiserver.url,
    authority: await Deno.readTextFile(apiserver.keys.servers.cert),
    ...await adminKeys(apiserver.kubeconfig),
    connections: WIDTH,
  });
  await until(async () => (await operator.get("/readyz")).startsWith("ok"), {
    what: "a leading operator",
    timeoutMs: 60_000,
  });
  const names = Array.from(
    { length: deviceCount },
    (_, index) => `bench-${index}`,
  );
  const created = await deploy({
    api,
    names,
    address: apiserver.machine.address,
  });
  const operatorMib = await operator.residentBytes() / 1024 / 1024;
  const atDeployed = await settledCounts(apiserver.auditLog, { from: 0 });
  const samples = await takeSamples(api, resourcesOf(atDeployed.counts));
  const certified = await watchCertificates({
    api,
    log: apiserver.auditLog,
    from: atDeployed.end,
    deviceCount,
  });
  const certifiedMib = await operator.residentBytes() / 1024 / 1024;
  const idle = await watchIdle(apiserver.auditLog, certified.end);
  const deleteSeconds = await remove({ api, names });
  const atDeleted = await settledCounts(apiserver.auditLog, { from: idle.end });
  const leftBehind = await takeCensus(api, { namespace: NAMESPACE });
  await operator.stop();
  const floor = await measureFloor({
    api,
    creates: atDeployed.counts,
    deletes: atDeleted.counts,
    samples,
  });
  return {
    deviceCount,
    createSeconds: created,
    deleteSeconds,
    operatorMib,
    certifyWritesPerSecond: certified.perSecond,
    certifySeconds: certified.seconds,
    certifiedMib,
    idleWritesPerSecond: idle.perSecond,
    creates: atDeployed.counts,
    deletes: atDeleted.counts,
    leftBehind,
    ...floor,
  };
}

/** Creates the devices and waits until each is usable; in seconds. */
async function deploy(
  options: { api: BareApi; names: string[]; address: string },
): Promise<number> {
  const { api, names, address } = options;
  const startedMs = performance.now();
  const creating = inParallel(names, {
    width: WIDTH,
    work: (name) =>
      api.call({
        method: "POST",
        path: pathOf("edgedevices", { namespace: NAMESPACE }),
        body: edgeDevice(name, { connectivity: { method: "grpc" } }),
      }),
  });
  const answering = new Set<number>();
  let census: DeployCensus | undefined;
  await until(async () => {
    const served = await countServed(api, {
      namespace: NAMESPACE,
      address,
      answering,
    });
    if (served < names.length) return false;
    census = await takeCensus(api, {
      namespace: NAMESPACE,
      address,
      answering,
    });
    return census.complete.length >= names.length;
  }, {
    what: `${names.length} usable devices`,
    timeoutMs: 600_000,
    intervalMs: 400,
    detail: () =>
      Promise.resolve(
        `: ${JSON.stringify({ ...census, complete: census?.complete.length })}`,
      ),
  });
  await creating;
  return (performance.now() - startedMs) / 1000;
}

/** Deletes the devices and waits until nothing of them is left; in seconds. */
async function remove(
  options: { api: BareApi; names: string[] },
): Promise<number> {
  const { api, names } = options;
  const startedMs = performance.now();
  await inParallel(names, {
    width: WIDTH,
    work: (name) =>
      api.call({
        method: "DELETE",
        path: pathOf("edgedevices", { namespace: NAMESPACE, name }),
      }),
  });
  await until(async () => {
    // The finalizer goes last: until then there is no need to look at everything.
    const { items } = await api.call<{ items: unknown[] }>({
      method: "GET",
      path: pathOf("edgedevices", { namespace: NAMESPACE }),
    });
    if (items.length > 0) return false;
    const { counts } = await takeCensus(api, { namespace: NAMESPACE });
    return Object.values(counts).every((count) => count === 0);
  }, { what: "an empty namespace", timeoutMs: 600_000, intervalMs: 200 });
  return (performance.now() - startedMs) / 1000;
}

/** The counts once the operator has written nothing but its own Lease for a second. */
async function settledCounts(
  log: string,
  options: { from: number },
): Promise<{ counts: WriteCounts; end: number }> {
  let sum = -1;
  await until(async () => {
    const { counts } = await countWrites(log, {
      user: OPERATOR_USER,
      from: options.from,
    });
    const now = [...counts].reduce(
      (total, [kind, count]) => total + (kind.endsWith("leases") ? 0 : count),
      0,
    );
    const settled = now === sum;
    sum = now;
    return settled;
  }, {
    what: "an operator that has written all",
    timeoutMs: 30_000,
    intervalMs: 1_000,
  }).catch(() => {});
  return await countWrites(log, { user: OPERATOR_USER, from: options.from });
}

/** Until each device has a certificate of its own: that goes on behind, slowly, when the burst is over. */
async function watchCertificates(
  options: { api: BareApi; log: string; from: number; deviceCount: number },
): Promise<{ perSecond: number; seconds: number; end: number }> {
  const { api, log, from, deviceCount } = options;
  const startedMs = performance.now();
  await until(async () => {
    const { items } = await api.call<{ items: unknown[] }>({
      method: "GET",
      path: `${
        pathOf("secrets", { namespace: NAMESPACE })
      }?labelSelector=arhat.dev/name&fieldSelector=type%3Dkubernetes.io/tls`,
    });
    return items.length >= deviceCount;
  }, {
    what: "devices' own certificates",
    timeoutMs: 300_000,
    intervalMs: 2_000,
  });
  const seconds = (performance.now() - startedMs) / 1000;
  const { counts, end } = await settledCounts(log, { from });
  const writes = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return { perSecond: writes / seconds, seconds, end };
}

/** What the operator writes when there is nothing to do: its own Lease only, since no device is alive. */
async function watchIdle(
  log: string,
  from: number,
): Promise<{ perSecond: number; end: number }> {
  const seconds = 10;
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, seconds * 1000);
  await promise;
  const { counts, end } = await countWrites(log, { user: OPERATOR_USER, from });
  return {
    perSecond: [...counts.values()].reduce((sum, count) => sum + count, 0) /
      seconds,
    end,
  };
}

async function takeSamples(
  api: BareApi,
  resources: string[],
): Promise<Map<string, { metadata: Record<string, unknown> }>> {
  const samples = new Map<string, { metadata: Record<string, unknown> }>();
  for (const resource of resources) {
    const selector =
      resource === "edgedevices" || resource === "certificatesigningrequests"
        ? ""
        : "?labelSelector=arhat.dev/name";
    const list = await api.call<
      {
        items: { metadata: Record<string, unknown> }[];
        kind: string;
        apiVersion: string;
      }
    >({
      method: "GET",
      path: pathOf(resource, { namespace: NAMESPACE }) + selector,
    });
    const item = list.items[0] ??
      (resource === "certificatesigningrequests"
        ? await makeRequest()
        : undefined);
    if (item) {
      samples.set(
        resource,
        {
          apiVersion: list.apiVersion,
          kind: list.kind.replace(/List$/, ""),
          ...item,
        } as { metadata: Record<string, unknown> },
      );
    }
  }
  return samples;
}

/** The operator deletes its requests once they are signed, so one is made here. */
async function makeRequest(): Promise<
  { metadata: Record<string, unknown> } & Record<string, unknown>
> {
  const { csr } = await createSigningRequest({
    subject: {
      commonName: "system:node:floor",
      organizations: ["system:nodes"],
    },
    ips: ["10.0.0.1"],
    dnsNames: [],
  });
  return {
    metadata: { name: "floor" },
    spec: {
      request: utf8(csr).toBase64(),
      signerName: "kubernetes.io/kubelet-serving",
      usages: ["digital signature", "server auth"],
    },
  };
}

async function measureFloor(
  options: {
    api: BareApi;
    creates: WriteCounts;
    deletes: WriteCounts;
    samples: Map<string, { metadata: Record<string, unknown> }>;
  },
) {
  const { api, samples } = options;
  const shared = { api, samples, namespace: FLOOR_NAMESPACE, width: WIDTH };
  await api.call({
    method: "POST",
    path: "/api/v1/namespaces",
    body: {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: FLOOR_NAMESPACE },
    },
  });
  const count = options.creates.get("patch edgedevices/status") ??
    options.creates.get("patch edgedevices") ?? 0;
  const names = Array.from({ length: count }, (_, index) => `floor-${index}`);
  // The EdgeDevices' own creation and deletion are in the time that is compared, so they are in the floor too.
  const made = await timeInParallel(names, (name) =>
    api.call({
      method: "POST",
      path: pathOf("edgedevices", { namespace: FLOOR_NAMESPACE }),
      body: {
        ...edgeDevice(name),
        metadata: { name, namespace: FLOOR_NAMESPACE },
      },
    }));
  const create = await replay({ ...shared, counts: options.creates });
  const remove = await replay({ ...shared, counts: options.deletes });
  const removed = await timeInParallel(names, (name) =>
    api.call({
      method: "DELETE",
      path: pathOf("edgedevices", { namespace: FLOOR_NAMESPACE, name }),
    }));
  return {
    floorCreateSeconds: made + create.seconds,
    floorDeleteSeconds: remove.seconds + removed,
    leftOut: [...create.leftOut, ...remove.leftOut],
  };
}

/** Seconds that the work on all names takes. */
async function timeInParallel(
  names: string[],
  work: (name: string) => Promise<unknown>,
): Promise<number> {
  const startedMs = performance.now();
  await inParallel(names, { width: WIDTH, work });
  return (performance.now() - startedMs) / 1000;
}

async function adminKeys(
  kubeconfig: string,
): Promise<{ certificate: string; key: string }> {
  const { users: [entry] } = JSON.parse(
    await Deno.readTextFile(kubeconfig),
  ) as {
    users: { user: Record<string, string> }[];
  };
  const read = (field: string) =>
    fromUtf8(Uint8Array.fromBase64(entry?.user[`client-${field}-data`] ?? ""));
  return { certificate: read("certificate"), key: read("key") };
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { devices: { type: "string", default: "300" } },
  });
  const figures = await measure(Number(values.devices));
  Deno.stdout.writeSync(new TextEncoder().encode(`${render(figures)}\n`));
}

// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task bench deploy --devices 300`: how fast devices become usable, without agents.
 *
 * EdgeDevices are created as fast as the API server accepts them. A device counts when its Node,
 * Lease, Service with EndpointSlice, Secret and virtual pod exist and its kubelet port answers.
 * Then all are deleted until none of their objects is left. The floor is the same writes, counted
 * by kind in the API server's audit log, sent to the same API server without an operator, 16 at a
 * time.
 */
import { parseArgs } from "node:util";
import { fromUtf8 } from "../lib/shared/base/mod.ts";
import { print } from "../dev/base/terminal.ts";
import { until } from "../dev/base/wait.ts";
import {
  ControlPlane,
  edgeDevice,
  NAMESPACE,
  Operator,
} from "../dev/world/mod.ts";
import { BareApi, inParallel } from "./api.ts";
import { countWrites, type WriteCounts } from "./audit.ts";
import { countServed, type DeployCensus, takeCensus } from "./census.ts";
import { type DeployFigures, renderTable } from "./deploy_table.ts";
import { pathOf, resourcesOf } from "./floor.ts";
import {
  type FloorFigures,
  measureFloor,
  type Samples,
  takeSamples,
} from "./measure_floor.ts";

const OPERATOR_USER = "system:serviceaccount:aranya:aranya";
const WIDTH = 16;

/** What a run with an operator measured, and what the floor needs of it. */
interface OperatorRun {
  figures: Omit<DeployFigures, keyof FloorFigures>;
  samples: Samples;
}

/** Runs the measurement. */
async function measure(deviceCount: number): Promise<DeployFigures> {
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
  const { figures, samples } = await measureOperator(operator, {
    api,
    deviceCount,
  });
  await operator.stop();
  const floor = await measureFloor({ api, samples, width: WIDTH, ...figures });
  return { ...figures, ...floor };
}

/** Creates the devices, lets the operator come to rest, and deletes them. */
async function measureOperator(
  operator: Operator,
  options: { api: BareApi; deviceCount: number },
): Promise<OperatorRun> {
  const { api, deviceCount } = options;
  const { auditLog, machine: { address } } = operator.apiserver;
  const names = Array.from(
    { length: deviceCount },
    (_, index) => `bench-${index}`,
  );
  const createSeconds = await deploy({ api, names, address });
  const operatorMib = await operator.residentBytes() / 1024 / 1024;
  const atDeployed = await settledCounts(auditLog, { from: 0 });
  const samples = await takeSamples(api, resourcesOf(atDeployed.counts));
  const certified = await watchCertificates({
    api,
    log: auditLog,
    from: atDeployed.end,
    deviceCount,
  });
  const certifiedMib = await operator.residentBytes() / 1024 / 1024;
  const idle = await watchIdle(auditLog, certified.end);
  const deleteSeconds = await remove({ api, names });
  const atDeleted = await settledCounts(auditLog, { from: idle.end });
  const figures = {
    deviceCount,
    createSeconds,
    deleteSeconds,
    operatorMib,
    certifyWritesPerSecond: certified.perSecond,
    certifySeconds: certified.seconds,
    certifiedMib,
    idleWritesPerSecond: idle.perSecond,
    creates: atDeployed.counts,
    deletes: atDeleted.counts,
    leftBehind: await takeCensus(api, { namespace: NAMESPACE }),
  };
  return { figures, samples };
}

/** Creates the devices and waits until each is usable; returns the seconds. */
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

/** Deletes the devices and waits until no object of them is left; returns the seconds. */
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
    // The EdgeDevices go last, so that one small list is enough until then.
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

/** Returns the counts once the operator has written only its Lease for a second. */
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
    what: "an operator without further writes",
    timeoutMs: 30_000,
    intervalMs: 1_000,
  }).catch(() => {});
  return await countWrites(log, { user: OPERATOR_USER, from: options.from });
}

/**
 * Waits until each device has its own certificate, which the operator requests slowly after the
 * burst.
 */
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
    what: "a certificate for each device",
    timeoutMs: 300_000,
    intervalMs: 2_000,
  });
  const seconds = (performance.now() - startedMs) / 1000;
  const { counts, end } = await settledCounts(log, { from });
  const writes = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return { perSecond: writes / seconds, seconds, end };
}

/**
 * Counts writes while nothing changes. No device is connected, so only the operator's Lease is
 * renewed.
 */
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
  print(renderTable(figures));
}

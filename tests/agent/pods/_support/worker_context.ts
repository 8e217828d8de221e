// SPDX-License-Identifier: Apache-2.0
/** The context of a single worker, whose other parts are in memory. */
import { type Clock, SILENT_LOGGER } from "../../../../lib/shared/base/mod.ts";
import {
  ConfigureSchema,
  create,
  type PodStatus,
} from "../../../../lib/shared/wire/mod.ts";
import { createVolumes } from "../../../../lib/agent/volumes/mod.ts";
import type {
  PodEvent,
  WorkerContext,
} from "../../../../lib/agent/pods/context.ts";
import type { PodRecord } from "../../../../lib/agent/pods/pod_record.ts";
import { VirtualClock } from "../../../shared/session/_support/virtual_clock.ts";
import { absentPath } from "../../../_support/absent_path.ts";
import { FakeEngine } from "./fake_engine.ts";

/** A context and what a worker did with it. */
export interface WorkerContextFixture {
  context: WorkerContext;
  engine: FakeEngine;
  /** Records in the order in which they were saved. */
  saved: PodRecord[];
  /** UIDs of the records that were removed. */
  unsaved: string[];
  /** Statuses in the order in which they were published. */
  statuses: PodStatus[];
  events: PodEvent[];
  /** UIDs of dropped pods. */
  dropped: string[];
}

/** Returns a context without volumes on disk; every pod may run. */
export function createWorkerContext(
  clock: Clock = new VirtualClock(),
): WorkerContextFixture {
  const engine = new FakeEngine(clock);
  const saved: PodRecord[] = [];
  const unsaved: string[] = [];
  const statuses: PodStatus[] = [];
  const events: PodEvent[] = [];
  const dropped: string[] = [];
  const volumes = createVolumes({
    root: absentPath(),
    mounts: {
      mountTmpfs: () => Promise.reject(new Error("no mounts")),
      bindMount: () => Promise.reject(new Error("no mounts")),
      listMounts: () => Promise.resolve([]),
      unmount: () => Promise.reject(new Error("no mounts")),
    },
    loadBlobs: () => Promise.reject(new Error("no blobs")),
  });
  // Nothing is created on disk.
  volumes.prepare = () => Promise.resolve(undefined);
  volumes.remove = () => Promise.resolve();
  volumes.release = () => Promise.resolve();
  const context: WorkerContext = {
    runtime: engine,
    engine: {
      findPod: async (uid) =>
        (await engine.listPods()).find((pod) => pod.uid === uid),
    },
    volumes,
    reclaimer: {
      reclaim: () => Promise.resolve(),
      onImagePulled: () => Promise.resolve(),
    },
    store: {
      settings: create(ConfigureSchema),
      save: (record) => {
        saved.push(record);
        return Promise.resolve();
      },
      remove: (uid) => {
        unsaved.push(uid);
        return Promise.resolve();
      },
    },
    registry: {
      mayRun: () => true,
      publishStatus: (status) => void statuses.push(status),
      dropPod: (uid) => {
        dropped.push(uid);
        return Promise.resolve();
      },
    },
    switches: { privileged: true, hostPath: true, hostNamespaces: true },
    reporter: { onPodEvent: (event) => void events.push(event) },
    host: { addresses: ["192.0.2.1"] },
    clock,
    log: SILENT_LOGGER,
  };
  return { context, engine, saved, unsaved, statuses, events, dropped };
}

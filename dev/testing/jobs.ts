// SPDX-License-Identifier: Apache-2.0
/** What the schedule has to know about test files and rooms. */
import type { Job } from "./schedule.ts";

/** How long something takes on a quiet machine, and what it may not run beside. */
type Facts = Omit<Job, "name">;

/**
 * Group of the files that compare the times of failures with promised ones, and of those that keep
 * the processors busy for a minute.
 */
const TIMED = "timed";

/** The end-to-end files, by topic. */
const FILES: Readonly<Record<string, Facts>> = {
  access: { seconds: 50 },
  demo: { seconds: 60 },
  device: { seconds: 30 },
  eviction: { seconds: 95 },
  failover: { seconds: 165, group: TIMED },
  host: { seconds: 80, group: TIMED },
  in_cluster: { seconds: 15 },
  lifecycle: { seconds: 130 },
  link: { seconds: 190 },
  objects: { seconds: 120 },
  outage: { seconds: 135, group: TIMED },
  pods: { seconds: 90 },
  recovery: { seconds: 150, group: TIMED },
  switches: { seconds: 60 },
  tenant: { seconds: 45 },
  uninstall: { seconds: 60 },
  workload: { seconds: 60, group: TIMED },
};

/** Topics of the files about which something is known. */
export const KNOWN_TOPICS: readonly string[] = Object.keys(FILES);

/** Returns an end-to-end file as a job; one that is not known counts as one of a minute. */
export function toFileJob(file: string): Job {
  const [, topic = ""] = file.match(/([^/]+)_test\.ts$/) ?? [];
  return { seconds: 60, ...FILES[topic], name: file };
}

/** Group of the rooms whose tests use one API server, and ports of this machine. */
const OPERATOR = "operator";

/** Seconds of the rooms whose unit tests take long; others take some seconds. */
const ROOM_SECONDS: Readonly<Record<string, number>> = {
  "agent/docker": 12,
  "agent/pods": 20,
  "agent/runtime": 40,
  "engine": 70,
  "manifests": 13,
  "operator": 23,
  "operator/device": 30,
  "operator/fleet": 30,
  "operator/kube": 27,
  "operator/kubelet": 28,
  "operator/pods": 22,
  "operator/proxy": 14,
  "rules": 50,
  "shared/link": 13,
};
const SHORT_ROOM_SECONDS = 5;

/** The unit tests of a room. */
export interface RoomJob extends Job {
  files: string[];
}

/** Returns the unit tests of each room as a job. */
export function toRoomJobs(
  rooms: ReadonlyMap<string, string[]>,
): RoomJob[] {
  return [...rooms].map(([room, files]) => ({
    name: room,
    files,
    seconds: ROOM_SECONDS[room] ?? SHORT_ROOM_SECONDS,
    ...room.split("/")[0] === OPERATOR ? { group: OPERATOR } : {},
  }));
}

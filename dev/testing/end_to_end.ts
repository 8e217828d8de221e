// SPDX-License-Identifier: Apache-2.0
/** What the schedule of the end-to-end test files has to know about them. */
import type { Job } from "./schedule.ts";

/** Group of the files that compare the times of failures with promised ones. */
const TIMED = "timed";

/**
 * What is known of a file: how long it takes on a quiet machine, and what it may not run beside.
 */
const FACTS: Readonly<Record<string, Omit<Job, "name">>> = {
  access: { seconds: 50 },
  demo: { seconds: 60 },
  device: { seconds: 30 },
  eviction: { seconds: 95 },
  failover: { seconds: 165, group: TIMED },
  host: { seconds: 80 },
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
  workload: { seconds: 60 },
};

/** Returns a file as a job; one that is not known counts as one of a minute. */
export function toEndToEndJob(file: string): Job {
  const [, topic = ""] = file.match(/([^/]+)_test\.ts$/) ?? [];
  return { seconds: 60, ...FACTS[topic], name: file };
}

/** Topics of the files about which something is known. */
export const KNOWN_TOPICS: readonly string[] = Object.keys(FACTS);

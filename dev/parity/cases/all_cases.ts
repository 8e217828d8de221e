// SPDX-License-Identifier: Apache-2.0
/** The whole parity table. */
import type { PodCase } from "../pod_case.ts";
import { ENVIRONMENT } from "./environment.ts";
import { FAILURES } from "./failures.ts";
import { INIT } from "./init.ts";
import { MESSAGES } from "./messages.ts";
import { NETWORK, RESOURCES } from "./network.ts";
import { PHASES } from "./phases.ts";
import { HOOKS, PROBES } from "./probes.ts";
import { SECURITY } from "./security.ts";
import { DELETION, EXECS, LOGS } from "./streams.ts";
import { VOLUMES } from "./volumes.ts";

/** Cases by topic; names are unique over all topics. */
export const CASES_BY_TOPIC: Readonly<Record<string, readonly PodCase[]>> = {
  phases: PHASES,
  init: INIT,
  probes: PROBES,
  hooks: HOOKS,
  messages: MESSAGES,
  environment: ENVIRONMENT,
  volumes: VOLUMES,
  security: SECURITY,
  network: NETWORK,
  resources: RESOURCES,
  failures: FAILURES,
  logs: LOGS,
  execs: EXECS,
  deletion: DELETION,
};

/** All cases. */
export const CASES: readonly PodCase[] = Object.values(CASES_BY_TOPIC).flat();

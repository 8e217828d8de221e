// SPDX-License-Identifier: Apache-2.0
/** The device itself, as one object. */

/** The machine that the agent runs on. */
export interface HostMachine {
  /** Environment of programs that are started on it. */
  readonly env: Readonly<Record<string, string>>;
}

/** Options of {@linkcode createHostMachine}. */
export interface HostMachineOptions {
  /** Environment for programs, e.g. the agent's own PATH, HOME, LANG. PATH is filled in when absent. */
  env?: Record<string, string>;
}

/** Makes the machine; nothing is started yet. */
export function createHostMachine(
  options: HostMachineOptions = {},
): HostMachine {
  return { env: { ...options.env } };
}

// SPDX-License-Identifier: Apache-2.0
/** Builders of containers and pods for the parity table. */
import { IMAGES } from "../../world/mod.ts";
import {
  type ContainerFields,
  MAIN,
  type PodFields,
  SERVE,
} from "../pod_case.ts";

/** Returns a container that runs a shell script. */
export function shell(
  script: string,
  fields: Partial<ContainerFields> = {},
): ContainerFields {
  return {
    name: MAIN,
    image: IMAGES.busybox,
    command: ["sh", "-c", script],
    ...fields,
  };
}

/** Returns a container that runs until it is stopped. */
export function server(
  fields: Partial<ContainerFields> = {},
): ContainerFields {
  return shell(SERVE, fields);
}

/** Returns a pod with one container. */
export function podOf(
  container: ContainerFields,
  fields: Partial<PodFields> = {},
): PodFields {
  return { containers: [container], ...fields };
}

/** Returns a pod whose script runs to its end once. */
export function job(
  script: string,
  fields: Partial<PodFields> = {},
): PodFields {
  return podOf(shell(script), { restartPolicy: "Never", ...fields });
}

/** Returns a pod that runs until it is stopped. */
export function service(
  container: Partial<ContainerFields> = {},
  fields: Partial<PodFields> = {},
): PodFields {
  return podOf(server(container), fields);
}

/** Returns the command line that runs a shell script. */
export function sh(script: string): string[] {
  return ["sh", "-c", script];
}

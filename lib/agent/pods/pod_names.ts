// SPDX-License-Identifier: Apache-2.0
/** Checks names in a pod's spec that become names of files on the device. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { PodSpec } from "../../shared/wire/mod.ts";

/** UIDs of Kubernetes objects are UUIDs; those of static pods are hexadecimal hashes. */
const UID = /^[0-9a-zA-Z][-0-9a-zA-Z]{0,62}$/;
/** DNS-1123 label, as the API server demands of names of containers and volumes. */
const LABEL = /^[0-9a-z]([-0-9a-z]{0,61}[0-9a-z])?$/;

/**
 * Checks that no name leads out of the pod's directories. The API server has checked them too, but
 * the operator is not to reach the host by a volume named "../../etc" when its owner forbids
 * hostPath volumes.
 * @throws {AranyaError} code "invalid" naming the first wrong one
 */
export function checkPodNames(spec: PodSpec): void {
  check(UID, { what: "UID", names: [spec.uid] });
  check(LABEL, {
    what: "name of a container",
    names: [...spec.initContainers, ...spec.containers].map(({ name }) => name),
  });
  check(LABEL, {
    what: "name of a volume",
    names: spec.volumes.map(({ name }) => name),
  });
}

function check(
  pattern: RegExp,
  { what, names }: { what: string; names: readonly string[] },
): void {
  const wrong = names.find((name) => !pattern.test(name));
  if (wrong === undefined) return;
  throw new AranyaError(
    "invalid",
    `Cannot apply pod: ${what} is ${
      JSON.stringify(wrong)
    }, expected letters, digits and "-"`,
  );
}

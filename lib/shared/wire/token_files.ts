// SPDX-License-Identifier: Apache-2.0
/** Files of pods that hold tokens of service accounts. */
import type { File, PodSpec } from "./_gen.ts";

/** Returns the files of a pod's volumes that hold a token, in the order of the volumes. */
export function listTokenFiles({ volumes }: Pick<PodSpec, "volumes">): File[] {
  return volumes.flatMap(({ source }) =>
    source.case === "files"
      ? source.value.files.filter(({ token }) => token !== undefined)
      : []
  );
}

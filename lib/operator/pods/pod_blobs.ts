// SPDX-License-Identifier: Apache-2.0
/** Contents of volume files for the device. */
import { AranyaError } from "../../shared/base/mod.ts";
import {
  type Blobs,
  BlobsSchema,
  create,
  type FetchBlobs,
} from "../../shared/wire/mod.ts";
import { keyOf } from "../kube/mod.ts";
import { toFileBytes } from "../podspec/mod.ts";
import type { NodePods } from "./pod_directory.ts";
import type { PodTranslations } from "./pod_translations.ts";

/** Answers FETCH_BLOBS: a device fetches the files of its pods that it does not have yet. */
export class PodBlobs {
  readonly #pods: Pick<NodePods, "findByUid">;
  readonly #translations: Pick<PodTranslations, "findContents">;

  constructor(
    { pods, translations }: {
      pods: Pick<NodePods, "findByUid">;
      translations: Pick<PodTranslations, "findContents">;
    },
  ) {
    this.#pods = pods;
    this.#translations = translations;
  }

  /**
   * Returns the contents in the order of the requested hashes. A device gets only files that one of
   * its own pods refers to.
   * @throws {AranyaError} "not_found" when the device has no such pod or the pod no such file
   */
  fetch({ podUid, sha256 }: FetchBlobs): Blobs {
    const pod = this.#pods.findByUid(podUid);
    if (!pod) {
      throw new AranyaError(
        "not_found",
        `Cannot fetch files of pod with UID ${
          JSON.stringify(podUid)
        }: no such pod on this node`,
      );
    }
    const contents = this.#translations.findContents(pod);
    return create(BlobsSchema, {
      contents: sha256.map((hash) => {
        const content = contents.get(hash);
        if (content) return toFileBytes(content);
        throw new AranyaError(
          "not_found",
          `Cannot fetch file ${hash} of pod "${
            keyOf(pod)
          }": the pod no longer refers to it`,
        );
      }),
    });
  }
}

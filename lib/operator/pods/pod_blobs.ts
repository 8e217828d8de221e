// SPDX-License-Identifier: Apache-2.0
/** Contents of volume files for the device. */
import { AranyaError } from "../../shared/base/mod.ts";
import {
  type Blobs,
  BlobsSchema,
  create,
  type FetchBlobs,
  MAX_FETCHED_BYTES,
  MAX_FETCHED_HASHES,
} from "../../shared/wire/mod.ts";
import { keyOf, type Pod } from "../kube/mod.ts";
import { toFileBytes } from "../podspec/mod.ts";
import type { NodePods } from "./pod_directory.ts";
import type { PodTranslations } from "./pod_translations.ts";
import type { PodSources } from "./sources.ts";
import type { EnqueuePod } from "./subscriptions.ts";
import type { PodTokens } from "./tokens.ts";

/** Options of {@linkcode PodBlobs}. */
export interface PodBlobsOptions {
  sources: Pick<PodSources, "hasListedPods" | "stateOf">;
  pods: Pick<NodePods, "findByUid">;
  translations: Pick<PodTranslations, "findContents">;
  tokens: Pick<PodTokens, "dropLost">;
  /** Enqueues a pod to be synced again. */
  enqueue: EnqueuePod;
}

/** Answers FETCH_BLOBS: a device fetches the files of its pods that it does not have yet. */
export class PodBlobs {
  readonly #options: PodBlobsOptions;

  constructor(options: PodBlobsOptions) {
    this.#options = options;
  }

  /**
   * Returns the contents of the first hashes, in the order of the request: as many as fit in 2 MiB,
   * and at least one. A device gets only files that one of its own pods refers to.
   * @throws {AranyaError} "not_found" when the device has no such pod or the pod no such file;
   * "unavailable" while that is not known yet; "invalid" for too many or repeated hashes
   */
  fetch({ podUid, sha256 }: FetchBlobs): Blobs {
    const pod = this.#findPod(podUid);
    const action = `Cannot fetch files of pod "${keyOf(pod)}"`;
    if (sha256.length > MAX_FETCHED_HASHES) {
      throw new AranyaError(
        "invalid",
        `${action}: ${sha256.length} hashes, expected at most ${MAX_FETCHED_HASHES}`,
      );
    }
    if (new Set(sha256).size < sha256.length) {
      throw new AranyaError("invalid", `${action}: a hash is repeated`);
    }
    return create(BlobsSchema, { contents: this.#readFirst(pod, sha256) });
  }

  #readFirst(pod: Pod, hashes: readonly string[]): Uint8Array[] {
    const { translations, tokens, enqueue } = this.#options;
    const contents = translations.findContents(pod);
    const first: Uint8Array[] = [];
    let byteCount = 0;
    for (const hash of hashes) {
      const content = contents.get(hash);
      if (!content) {
        // Only the device had this token: the next sync requests and sends another one.
        if (tokens.dropLost(pod.metadata.uid ?? "", hash)) enqueue(keyOf(pod));
        throw new AranyaError(
          "not_found",
          `Cannot fetch file ${hash} of pod "${
            keyOf(pod)
          }": the pod no longer refers to it`,
        );
      }
      const bytes = toFileBytes(content);
      byteCount += bytes.length;
      if (first.length > 0 && byteCount > MAX_FETCHED_BYTES) break;
      first.push(bytes);
    }
    return first;
  }

  #findPod(uid: string): Pod {
    const { sources, pods } = this.#options;
    const pod = pods.findByUid(uid);
    if (!pod) {
      const action = `Cannot fetch files of pod with UID ${
        JSON.stringify(uid)
      }`;
      throw sources.hasListedPods()
        ? new AranyaError("not_found", `${action}: no such pod on this node`)
        : new AranyaError(
          "unavailable",
          `${action}: the pods of this node are not known yet`,
        );
    }
    if (sources.stateOf(pod.metadata.namespace ?? "").kind !== "ready") {
      throw new AranyaError(
        "unavailable",
        `Cannot fetch files of pod "${
          keyOf(pod)
        }": its namespace has not been read yet`,
      );
    }
    return pod;
  }
}

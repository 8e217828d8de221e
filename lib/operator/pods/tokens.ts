// SPDX-License-Identifier: Apache-2.0
/**
 * Tokens of service accounts for the pods of one device: bound to the pod, kept in memory, renewed
 * at 80 % of their life or after 24 h, whichever comes first. A device that is offline keeps the
 * last one it got; the API server refuses it once it has expired.
 */
import {
  AranyaError,
  asAranyaError,
  type Clock,
} from "../../shared/base/mod.ts";
import { type KubeClient, type Pod, requestToken } from "../kube/mod.ts";
import { listProjectedTokens, type ProjectedToken } from "../podspec/mod.ts";

interface Held {
  token: string;
  /** When to get a new one, on the monotonic clock. */
  renewMs: number;
  expireMs: number;
}

const MAX_AGE_MS = 24 * 3600 * 1000;
const LIFE_SHARE = 0.8;
const RETRY_MS = 30_000;

/** See the file's first lines. */
export class PodTokens {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  /** By pod UID, then by what was wanted. */
  readonly #held = new Map<string, Map<string, Held>>();

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /**
   * Sees to it that the pod's tokens are there and fresh.
   * @returns when to do so again, in milliseconds from now; undefined when the pod wants none
   * @throws {AranyaError} when one can't be had now and no former one serves
   */
  async ensure(pod: Pod, signal: AbortSignal): Promise<number | undefined> {
    const uid = pod.metadata.uid ?? "";
    const nowMs = this.#clock.monotonicMs();
    let nextMs: number | undefined;
    for (const want of listProjectedTokens(pod)) {
      const tokens = this.#held.get(uid) ?? new Map<string, Held>();
      const key = `${want.audience} ${want.expirationSeconds}`;
      let held = tokens.get(key);
      if (!held || held.renewMs <= nowMs) {
        held = await this.#renew({ pod, want, held, signal });
        tokens.set(key, held);
        this.#held.set(uid, tokens);
      }
      const inMs = Math.max(RETRY_MS, held.renewMs - nowMs);
      nextMs = Math.min(nextMs ?? inMs, inMs);
    }
    return nextMs;
  }

  /** What `ensure` got. */
  find(
    uid: string,
    want: ProjectedToken,
  ): { token: string } | { missing: string } {
    const held = this.#held.get(uid)?.get(
      `${want.audience} ${want.expirationSeconds}`,
    );
    return held
      ? { token: held.token }
      : { missing: "the token of its service account is not there yet" };
  }

  /** The pod is gone. */
  forget(uid: string): void {
    this.#held.delete(uid);
  }

  async #renew(
    { pod, want, held, signal }: {
      pod: Pod;
      want: ProjectedToken;
      held: Held | undefined;
      signal: AbortSignal;
    },
  ): Promise<Held> {
    const nowMs = this.#clock.monotonicMs();
    try {
      const { namespace = "", name, uid = "" } = pod.metadata;
      const { token, expiresMs } = await requestToken(this.#client, {
        namespace,
        serviceAccount: pod.spec.serviceAccountName ?? "default",
        spec: {
          ...(want.audience === "" ? {} : { audiences: [want.audience] }),
          expirationSeconds: want.expirationSeconds,
          boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid },
        },
        signal,
      });
      const lifeMs = Math.max(0, expiresMs - this.#clock.wallMs());
      return {
        token,
        renewMs: nowMs + Math.min(MAX_AGE_MS, lifeMs * LIFE_SHARE),
        expireMs: nowMs + lifeMs,
      };
    } catch (error) {
      const failure = asAranyaError(error, "Cannot get a token");
      // The former one still serves: try again later.
      if (held && held.expireMs > nowMs && failure.code !== "cancelled") {
        return { ...held, renewMs: nowMs + RETRY_MS };
      }
      throw new AranyaError(failure.code, failure.message, { cause: error });
    }
  }
}

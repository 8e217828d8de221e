// SPDX-License-Identifier: Apache-2.0
/** Service account tokens for the pods of one device. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  defined,
} from "../../shared/base/mod.ts";
import { type Pod, requestToken } from "../kube/mod.ts";
import { listProjectedTokens, type ProjectedToken } from "../podspec/mod.ts";
import type { PodClient } from "./pod_client.ts";

interface HeldToken {
  token: string;
  /** When to request the next one, on the monotonic clock. */
  renewMs: number;
  /** When it expires, on the monotonic clock. */
  expireMs: number;
}

/** As the kubelet does: a token is renewed at 80 % of its lifetime, or after 24 hours. */
const MAX_AGE_MS = 24 * 3600 * 1000;
const RENEWAL_SHARE = 0.8;
const RETRY_MS = 30_000;

/**
 * Requests service account tokens that are bound to their pod, keeps them in memory and renews
 * them. A device that is offline keeps its last token, which the API server refuses after expiry.
 */
export class PodTokens {
  readonly #client: Pick<PodClient, "request">;
  readonly #clock: Clock;
  /** By pod UID, then by what was requested. */
  readonly #held = new Map<string, Map<string, HeldToken>>();

  constructor(client: Pick<PodClient, "request">, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /**
   * Requests those tokens of a pod that are missing or due for renewal. Returns the delay until the
   * next renewal, in milliseconds; undefined when the pod needs no token.
   * @throws {AranyaError} when a token can't be had and no valid one is held
   */
  async ensure(pod: Pod, signal: AbortSignal): Promise<number | undefined> {
    const uid = pod.metadata.uid ?? "";
    const nowMs = this.#clock.monotonicMs();
    let nextMs: number | undefined;
    for (const request of listProjectedTokens(pod)) {
      const tokens = this.#held.get(uid) ?? new Map<string, HeldToken>();
      const key = keyOfRequest(request);
      let held = tokens.get(key);
      if (!held || held.renewMs <= nowMs) {
        held = await this.#renew({ pod, request, held, signal });
        tokens.set(key, held);
        this.#held.set(uid, tokens);
      }
      const inMs = Math.max(RETRY_MS, held.renewMs - nowMs);
      nextMs = Math.min(nextMs ?? inMs, inMs);
    }
    return nextMs;
  }

  /** Returns a token that `ensure` has requested, or why there is none. */
  find(
    uid: string,
    request: ProjectedToken,
  ): { token: string } | { missing: string } {
    const held = this.#held.get(uid)?.get(keyOfRequest(request));
    return held
      ? { token: held.token }
      : { missing: "the service account token is not available yet" };
  }

  /** Drops the tokens of a pod. */
  delete(uid: string): void {
    this.#held.delete(uid);
  }

  async #renew(
    { pod, request, held, signal }: {
      pod: Pod;
      request: ProjectedToken;
      held: HeldToken | undefined;
      signal: AbortSignal;
    },
  ): Promise<HeldToken> {
    const nowMs = this.#clock.monotonicMs();
    try {
      const { namespace = "", name, uid = "" } = pod.metadata;
      const { audience, expirationSeconds } = request;
      const { token, expiresMs } = await requestToken(this.#client, {
        namespace,
        serviceAccount: pod.spec.serviceAccountName ?? "default",
        spec: {
          ...defined({ audiences: audience === "" ? undefined : [audience] }),
          expirationSeconds,
          boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid },
        },
        signal,
      });
      const lifetimeMs = Math.max(0, expiresMs - this.#clock.wallMs());
      return {
        token,
        renewMs: nowMs + Math.min(MAX_AGE_MS, lifetimeMs * RENEWAL_SHARE),
        expireMs: nowMs + lifetimeMs,
      };
    } catch (error) {
      const failure = asAranyaError(error, "Cannot get a token");
      // The held token is still valid: retry later.
      if (held && held.expireMs > nowMs && failure.code !== "cancelled") {
        return { ...held, renewMs: nowMs + RETRY_MS };
      }
      throw new AranyaError(failure.code, failure.message, { cause: error });
    }
  }
}

function keyOfRequest({ audience, expirationSeconds }: ProjectedToken): string {
  return `${audience} ${expirationSeconds}`;
}

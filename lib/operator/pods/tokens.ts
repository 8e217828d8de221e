// SPDX-License-Identifier: Apache-2.0
/** Service account tokens for the projected volumes of pods. */
import { createHash } from "node:crypto";
import {
  AranyaError,
  asAranyaError,
  type Clock,
  defined,
  utf8,
} from "../../shared/base/mod.ts";
import type { File } from "../../shared/wire/mod.ts";
import { type Pod, requestToken } from "../kube/mod.ts";
import {
  listProjectedTokens,
  type PodToken,
  type ProjectedToken,
} from "../podspec/mod.ts";
import type { PodClient } from "./pod_client.ts";

/** Options of {@linkcode PodTokens}. */
export interface PodTokensOptions {
  client: Pick<PodClient, "request">;
  clock: Clock;
  /** Returns numbers from 0 to 1. @default Math.random */
  random?: () => number;
}

/** A token with its times on the monotonic clock. */
interface HeldToken {
  /** Stays the same object until the token is renewed. */
  token: PodToken;
  /** When to request the next one. */
  renewMs: number;
  /** When it expires. */
  expireMs: number;
}

/** As the kubelet does: a token is renewed at 80 % of its lifetime, or after 24 hours. */
const MAX_AGE_MS = 24 * 3600 * 1000;
const RENEWAL_SHARE = 0.8;
/** Share of that time by which renewals are earlier at random, so that they don't come together. */
const RENEWAL_SPREAD = 0.2;
const RETRY_MS = 30_000;

/**
 * Requests service account tokens that are bound to their pod, keeps them in memory and renews
 * them. A new operator adopts those that the device holds: it knows their hashes and times, but not
 * their text. A device that is offline keeps its last token, which the API server refuses after
 * expiry.
 */
export class PodTokens {
  readonly #client: Pick<PodClient, "request">;
  readonly #clock: Clock;
  readonly #random: () => number;
  /** By pod UID, then by what was requested. */
  readonly #held = new Map<string, Map<string, HeldToken>>();

  constructor({ client, clock, random = Math.random }: PodTokensOptions) {
    this.#client = client;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Requests those tokens of a pod that are missing or due for renewal. Returns the delay until the
   * next renewal, in milliseconds; undefined when the pod needs no token.
   * @param options.tokenFiles files with tokens that the device holds
   * @throws {AranyaError} when a token can't be had and no valid one is held
   */
  async ensure(
    pod: Pod,
    { tokenFiles, signal }: {
      tokenFiles: readonly File[];
      signal: AbortSignal;
    },
  ): Promise<number | undefined> {
    const uid = pod.metadata.uid ?? "";
    const nowMs = this.#clock.monotonicMs();
    let nextMs: number | undefined;
    for (const request of listProjectedTokens(pod)) {
      const tokens = this.#held.get(uid) ?? new Map<string, HeldToken>();
      const key = keyOfRequest(request);
      let held = tokens.get(key) ?? this.#adopt(request, tokenFiles);
      if (!held || held.renewMs <= nowMs) {
        held = await this.#renew({ pod, request, held, signal });
      }
      tokens.set(key, held);
      this.#held.set(uid, tokens);
      const inMs = Math.max(RETRY_MS, held.renewMs - nowMs);
      nextMs = Math.min(nextMs ?? inMs, inMs);
    }
    return nextMs;
  }

  /** Returns a token that `ensure` has provided, or why there is none. */
  find(
    uid: string,
    request: ProjectedToken,
  ): PodToken | { missing: string } {
    return this.#held.get(uid)?.get(keyOfRequest(request))?.token ??
      { missing: "the service account token is not available yet" };
  }

  /**
   * Drops an adopted token that the device no longer has, by hexadecimal SHA-256, so that `ensure`
   * requests another one. Returns whether there was one.
   */
  dropLost(uid: string, sha256: string): boolean {
    const tokens = this.#held.get(uid);
    for (const [key, { token }] of tokens ?? []) {
      if (token.sha256 === sha256 && token.text === undefined) {
        return tokens?.delete(key) ?? false;
      }
    }
    return false;
  }

  /** Drops the tokens of a pod. */
  delete(uid: string): void {
    this.#held.delete(uid);
  }

  /** Returns the requested token if the device holds a valid one. */
  #adopt(
    { audience, expirationSeconds }: ProjectedToken,
    tokenFiles: readonly File[],
  ): HeldToken | undefined {
    for (const { token, sha256, sizeBytes } of tokenFiles) {
      if (token?.audience !== audience) continue;
      if (Number(token.expirationSeconds) !== expirationSeconds) continue;
      const expiresUnixMs = Number(token.expiresUnixMs);
      const renewUnixMs = Number(token.renewUnixMs);
      const nowMs = this.#clock.monotonicMs();
      const wallMs = this.#clock.wallMs();
      if (expiresUnixMs <= wallMs) continue;
      return {
        token: {
          sha256,
          sizeBytes: Number(sizeBytes),
          expiresUnixMs,
          renewUnixMs,
        },
        // No token is older than this, whatever the device reports.
        renewMs: nowMs + Math.min(MAX_AGE_MS, renewUnixMs - wallMs),
        expireMs: nowMs + expiresUnixMs - wallMs,
      };
    }
    return undefined;
  }

  async #renew(
    { pod, request, held, signal }: {
      pod: Pod;
      request: ProjectedToken;
      held: HeldToken | undefined;
      signal: AbortSignal;
    },
  ): Promise<HeldToken> {
    try {
      return await this.#request(pod, { request, signal });
    } catch (error) {
      const failure = asAranyaError(error, "Cannot get a token");
      const nowMs = this.#clock.monotonicMs();
      // The held token is still valid: retry later.
      if (held && held.expireMs > nowMs && failure.code !== "cancelled") {
        const retryMs = RETRY_MS * (1 + RENEWAL_SPREAD * this.#random());
        return { ...held, renewMs: nowMs + retryMs };
      }
      throw new AranyaError(failure.code, failure.message, { cause: error });
    }
  }

  async #request(
    pod: Pod,
    { request, signal }: { request: ProjectedToken; signal: AbortSignal },
  ): Promise<HeldToken> {
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
    const nowMs = this.#clock.monotonicMs();
    const wallMs = this.#clock.wallMs();
    const lifetimeMs = Math.max(0, expiresMs - wallMs);
    const maxDelayMs = Math.min(MAX_AGE_MS, lifetimeMs * RENEWAL_SHARE);
    const delayMs = maxDelayMs * (1 - RENEWAL_SPREAD * this.#random());
    const bytes = utf8(token);
    return {
      token: {
        sha256: createHash("sha256").update(bytes).digest("hex"),
        sizeBytes: bytes.length,
        text: token,
        expiresUnixMs: expiresMs,
        renewUnixMs: Math.trunc(wallMs + delayMs),
      },
      renewMs: nowMs + delayMs,
      expireMs: nowMs + lifetimeMs,
    };
  }
}

function keyOfRequest({ audience, expirationSeconds }: ProjectedToken): string {
  return `${audience} ${expirationSeconds}`;
}

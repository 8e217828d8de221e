// SPDX-License-Identifier: Apache-2.0
/** Authentication of bearer tokens and authorization of requests, with cached reviews. */
import { createHash } from "node:crypto";
import {
  type Clock,
  SYSTEM_CLOCK,
  withDeadline,
} from "../../shared/base/mod.ts";
import { ReviewCache } from "./review_cache.ts";
import { ReviewPool } from "./review_pool.ts";

/** A user, as authentication.k8s.io/v1 UserInfo describes one. */
export interface KubeletUser {
  /** User name. */
  name: string;
  /** UID, where the user has one. */
  uid?: string;
  /** Groups, in no order. */
  groups: string[];
  /** Extra attributes that the authenticator set. */
  extra?: Record<string, string[]>;
}

/**
 * Attributes of a request for a SubjectAccessReview; the resource is always "nodes" of API version
 * "v1".
 */
export interface AccessQuestion {
  /** The user that sends the request. */
  user: KubeletUser;
  /** get, create, update, patch, delete; empty for other HTTP methods. */
  verb: string;
  /** proxy, stats, metrics, log, pods, healthz, configz, checkpoint, statusz. */
  subresource: string;
  /** The node's name. */
  node: string;
}

/** Options of {@linkcode KubeletAuth}. */
export interface KubeletAuthOptions {
  /**
   * Makes a TokenReview: returns the user, or undefined for an invalid token. A rejection is
   * answered with 401 and not cached.
   */
  reviewToken(
    token: string,
    signal: AbortSignal,
  ): Promise<KubeletUser | undefined>;
  /**
   * Makes a SubjectAccessReview: returns whether it is allowed. A rejection is answered with 500
   * and not cached.
   */
  reviewAccess(question: AccessQuestion, signal: AbortSignal): Promise<boolean>;
  /** Clock of the caches. @default the system clock */
  clock?: Clock;
}

/**
 * Few at a time, and a bounded number that waits: made-up tokens must not keep the operator's own
 * requests waiting.
 */
const TOKEN_REVIEWS = { maxRunningCount: 4, maxCount: 64 };
const ACCESS_REVIEWS = { maxRunningCount: 4, maxCount: 256 };
const TOKEN_TTL_MS = 2 * 60_000;
const ALLOW_TTL_MS = 5 * 60_000;
const DENY_TTL_MS = 30_000;
const MAX_TOKENS = 4_096;
/** Apart from the valid ones, which they must not push out. */
const MAX_INVALID_TOKENS = 1024;
const MAX_ACCESSES = 16_384;
const REVIEW_TIMEOUT_MS = 10_000;

/**
 * Authenticates tokens and authorizes requests by reviews of the API server, with the kubelet's
 * cache times. One instance serves all nodes of a process. It holds hashes of tokens, never tokens.
 */
export class KubeletAuth {
  readonly #options: KubeletAuthOptions;
  readonly #tokens: ReviewCache<KubeletUser | undefined>;
  readonly #invalidTokens: ReviewCache<KubeletUser | undefined>;
  readonly #accesses: ReviewCache<boolean>;
  readonly #tokenReviews = new ReviewPool(TOKEN_REVIEWS);
  readonly #accessReviews = new ReviewPool(ACCESS_REVIEWS);

  constructor(options: KubeletAuthOptions) {
    const { clock = SYSTEM_CLOCK } = options;
    this.#options = options;
    this.#tokens = new ReviewCache({
      ttlMs: (user) => user ? TOKEN_TTL_MS : 0,
      maxEntries: MAX_TOKENS,
      clock,
    });
    this.#invalidTokens = new ReviewCache({
      ttlMs: (user) => user ? 0 : TOKEN_TTL_MS,
      maxEntries: MAX_INVALID_TOKENS,
      clock,
    });
    this.#accesses = new ReviewCache({
      ttlMs: (allowed) => allowed ? ALLOW_TTL_MS : DENY_TTL_MS,
      maxEntries: MAX_ACCESSES,
      clock,
    });
  }

  /**
   * Returns the token's user, or undefined when the token is not valid. Cached for 2 minutes.
   * @param options.source the client's network: when too many reviews wait, each network has the
   * same share of them
   * @throws what the review throws; "timed_out" after 10 s; "unavailable" when too many reviews
   * wait, recognized by `isOverloaded`
   */
  authenticateToken(
    token: string,
    { source = "" }: { source?: string } = {},
  ): Promise<KubeletUser | undefined> {
    const key = hash(token);
    // Several requests may wait for one review, so it has its own deadline instead of one request's
    // signal.
    const review = () =>
      withDeadline(
        (signal) =>
          this.#tokenReviews.run(
            source,
            () => this.#options.reviewToken(token, signal),
          ),
        { timeoutMs: REVIEW_TIMEOUT_MS, action: "Cannot review token" },
      );
    return this.#tokens.get(
      key,
      () => this.#invalidTokens.get(key, review),
    );
  }

  /**
   * Returns whether the user may make the request. "Yes" is cached for 5 minutes, "no" for 30
   * seconds.
   * @throws as {@linkcode authenticateToken}
   */
  authorize(question: AccessQuestion): Promise<boolean> {
    return this.#accesses.get(
      hash(JSON.stringify(question)),
      () =>
        withDeadline(
          (signal) =>
            this.#accessReviews.run(
              question.user.name,
              () => this.#options.reviewAccess(question, signal),
            ),
          {
            timeoutMs: REVIEW_TIMEOUT_MS,
            action: `Cannot review access to node ${
              JSON.stringify(question.node)
            }`,
          },
        ),
    );
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

// SPDX-License-Identifier: Apache-2.0
/** Authentication of bearer tokens and authorization of requests, with cached reviews. */
import { createHash } from "node:crypto";
import {
  type Clock,
  SYSTEM_CLOCK,
  withDeadline,
} from "../../shared/base/mod.ts";
import { ReviewCache } from "./review_cache.ts";

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

const TOKEN_TTL_MS = 2 * 60_000;
const ALLOW_TTL_MS = 5 * 60_000;
const DENY_TTL_MS = 30_000;
const MAX_TOKENS = 4_096;
const MAX_ACCESSES = 16_384;
const REVIEW_TIMEOUT_MS = 10_000;

/**
 * Authenticates tokens and authorizes requests by reviews of the API server, with the kubelet's
 * cache times. One instance serves all nodes of a process. It holds hashes of tokens, never tokens.
 */
export class KubeletAuth {
  readonly #options: KubeletAuthOptions;
  readonly #tokens: ReviewCache<KubeletUser | undefined>;
  readonly #accesses: ReviewCache<boolean>;

  constructor(options: KubeletAuthOptions) {
    const { clock = SYSTEM_CLOCK } = options;
    this.#options = options;
    this.#tokens = new ReviewCache({
      ttlMs: () => TOKEN_TTL_MS,
      maxEntries: MAX_TOKENS,
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
   * @throws what the review throws, or "timed_out" after 10 s
   */
  authenticateToken(token: string): Promise<KubeletUser | undefined> {
    // Several requests may wait for one review, so it has its own deadline instead of one request's
    // signal.
    return this.#tokens.get(
      hash(token),
      () =>
        withDeadline((signal) => this.#options.reviewToken(token, signal), {
          timeoutMs: REVIEW_TIMEOUT_MS,
          action: "Cannot review token",
        }),
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
        withDeadline((signal) => this.#options.reviewAccess(question, signal), {
          timeoutMs: REVIEW_TIMEOUT_MS,
          action: `Cannot review access to node ${
            JSON.stringify(question.node)
          }`,
        }),
    );
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

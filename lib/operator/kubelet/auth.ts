// SPDX-License-Identifier: Apache-2.0
/** Who asks, and may they: a review per token, and one per user, verb, node and subresource. Answers are remembered as a kubelet does. */
import { createHash } from "node:crypto";
import {
  type Clock,
  SYSTEM_CLOCK,
  withDeadline,
} from "../../shared/base/mod.ts";
import { createReviewCache } from "./review_cache.ts";

/** A user as Kubernetes knows one. */
export interface KubeletUser {
  /** User name. */
  name: string;
  /** UID, where the user has one. */
  uid?: string;
  /** Groups, unsorted. */
  groups: string[];
  /** What the authenticator added. */
  extra?: Record<string, string[]>;
}

/** What one request wants, as a SubjectAccessReview asks it (resource is always "nodes", API version "v1"). */
export interface AccessQuestion {
  /** Who asks. */
  user: KubeletUser;
  /** get, create, update, patch, delete; empty for other HTTP methods. */
  verb: string;
  /** proxy, stats, metrics, log, pods, healthz, configz, checkpoint, statusz. */
  subresource: string;
  /** The node's name. */
  node: string;
}

/** Options of {@linkcode createKubeletAuth}. */
export interface KubeletAuthOptions {
  /** TokenReview: the user, or undefined when the token is not valid. A rejection is answered with 401 and not remembered. */
  reviewToken(
    token: string,
    signal: AbortSignal,
  ): Promise<KubeletUser | undefined>;
  /** SubjectAccessReview. A rejection is answered with 500 and not remembered. */
  reviewAccess(question: AccessQuestion, signal: AbortSignal): Promise<boolean>;
  /** Time for what is remembered. @default the system clock */
  clock?: Clock;
}

/** Shared by all servers of a process. Both reject with what the review rejects with, or "timed_out". */
export interface KubeletAuth {
  /** The token's user, or undefined when it is not valid. Remembered for 2 minutes. */
  authenticateToken(token: string): Promise<KubeletUser | undefined>;
  /** Whether the user may. A yes is remembered for 5 minutes, a no for 30 seconds. */
  authorize(question: AccessQuestion): Promise<boolean>;
}

const TOKEN_TTL_MS = 2 * 60_000;
const ALLOW_TTL_MS = 5 * 60_000;
const DENY_TTL_MS = 30_000;
const MAX_TOKENS = 4_096;
const MAX_ACCESSES = 16_384;
const REVIEW_TIMEOUT_MS = 10_000;

/** Makes one; it holds hashes of tokens, never tokens. */
export function createKubeletAuth(options: KubeletAuthOptions): KubeletAuth {
  const { clock = SYSTEM_CLOCK } = options;
  const tokens = createReviewCache<KubeletUser | undefined>({
    ttlMs: () => TOKEN_TTL_MS,
    maxEntries: MAX_TOKENS,
    clock,
  });
  const accesses = createReviewCache<boolean>({
    ttlMs: (allowed) => allowed ? ALLOW_TTL_MS : DENY_TTL_MS,
    maxEntries: MAX_ACCESSES,
    clock,
  });
  // Several requests may wait for one review, so it has a deadline of its own rather than a request's signal.
  return {
    authenticateToken: (token) =>
      tokens.get(
        hash(token),
        () =>
          withDeadline((signal) => options.reviewToken(token, signal), {
            timeoutMs: REVIEW_TIMEOUT_MS,
            action: "Cannot review token",
          }),
      ),
    authorize: (question) =>
      accesses.get(
        hash(JSON.stringify(question)),
        () =>
          withDeadline((signal) => options.reviewAccess(question, signal), {
            timeoutMs: REVIEW_TIMEOUT_MS,
            action: `Cannot review access to node ${
              JSON.stringify(question.node)
            }`,
          }),
      ),
  };
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

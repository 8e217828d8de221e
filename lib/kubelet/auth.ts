// SPDX-License-Identifier: Apache-2.0
/** Who asks, and may they: x509 or token, then a review per node and subresource; answers are remembered for a while. */
import type { Clock } from "../base/mod.ts";

/** A user as Kubernetes knows one. */
export interface KubeletUser {
  name: string;
  uid?: string;
  groups: string[];
  extra?: Record<string, string[]>;
}

/** What one request wants, as a SubjectAccessReview asks it (resource is always "nodes", API version "v1"). */
export interface AccessQuestion {
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
  clock?: Clock;
}

/** Shared by all servers of a process. */
export interface KubeletAuth {
  /** @throws what the review throws */
  authenticateToken(
    token: string,
    signal: AbortSignal,
  ): Promise<KubeletUser | undefined>;
  /** @throws what the review throws */
  authorize(question: AccessQuestion, signal: AbortSignal): Promise<boolean>;
}

/** Makes one. */
export function createKubeletAuth(options: KubeletAuthOptions): KubeletAuth {
  return {
    authenticateToken: (token, signal) => options.reviewToken(token, signal),
    authorize: (question, signal) => options.reviewAccess(question, signal),
  };
}

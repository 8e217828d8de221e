// SPDX-License-Identifier: Apache-2.0
/** Makes a session. */
import {
  AranyaError,
  type Clock,
  type Logger,
  type Meter,
} from "../base/mod.ts";
import type { Session, SessionHandlers } from "./session.ts";

/** Options of {@linkcode createSession}. */
export interface CreateSessionOptions {
  /** Which end this is: it decides the numbers of its conversations. */
  side: "operator" | "agent";
  /** Serves what the other end opens. */
  handlers: SessionHandlers;
  log: Logger;
  /** @default no figures */
  meter?: Meter;
  /** @default the machine's */
  clock?: Clock;
  /** How long conversations wait for a new link, in milliseconds. @default 30000 */
  resumeWindowMs?: number;
  /** Silence after which a link is given up, in milliseconds; a Welcome that names one replaces it. @default 40000 */
  offlineAfterMs?: number;
  /** Largest request, answer or opening word, in bytes. @default 16 MiB */
  maxValueBytes?: number;
  /** Conversations of the other end served at one time. @default 1024 */
  maxConversationCount?: number;
}

/** Makes a session that has no link yet. */
export function createSession(options: CreateSessionOptions): Session {
  throw new AranyaError(
    "unsupported",
    `Cannot create session of ${options.side}: not built yet`,
  );
}

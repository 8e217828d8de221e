// SPDX-License-Identifier: Apache-2.0
/** Events about objects, as kubectl describe shows them: aggregated and bounded. */
import type { Clock, Logger } from "../base/mod.ts";
import type { KubeClient } from "./api.ts";
import type { ObjectReference } from "./objects.ts";

/** What happened. */
export interface EventNote {
  /** The object it is about; needs kind, name, uid, and namespace where there is one. */
  about: ObjectReference;
  type: "Normal" | "Warning";
  /** CamelCase constant. */
  reason: string;
  message: string;
  /** Name of the node that reports it. */
  host?: string;
  /** RFC 3339. @default now */
  time?: string;
}

/** See {@linkcode createEventRecorder}. */
export interface EventRecorder extends AsyncDisposable {
  /** Writes it, soon. Equal ones become one with a count; too many about one object are dropped. Never throws, never waits. */
  record(note: EventNote): void;
  /** Resolves when all that was recorded has been written or given up. */
  flush(): Promise<void>;
}

/** Options of {@linkcode createEventRecorder}. */
export interface EventRecorderOptions {
  client: KubeClient;
  log: Logger;
  /** @default "aranya" */
  component?: string;
  clock?: Clock;
}

/** Makes a recorder; dispose it to write what is left. */
export function createEventRecorder(
  _options: EventRecorderOptions,
): EventRecorder {
  throw new TypeError("Cannot create event recorder: not built yet");
}

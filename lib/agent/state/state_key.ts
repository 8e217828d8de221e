// SPDX-License-Identifier: Apache-2.0
/** The file that holds the key of the records at rest. */
import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import {
  AranyaError,
  type Clock,
  KEY_BYTES,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import { fromDiskError, replaceFile, syncDir } from "./disk.ts";
import { hasRecords } from "./store.ts";

/** Pause between two attempts to read a key file that is absent. */
const POLL_MS = 2_000;

/** Options of {@linkcode loadStateKey}. */
export interface LoadStateKeyOptions {
  /** The state directory, locked with `lockStateDir`. */
  stateDir: string;
  /** Ends the wait. */
  signal: AbortSignal;
  /** Called once when the key of existing records is absent and the wait begins. */
  onWait?: (reason: AranyaError) => void;
  /** @default the machine's */
  clock?: Clock;
}

/**
 * Reads the key in a file. When the file is absent and the state directory holds no records yet,
 * generates a key and writes it there, mode 0600.
 *
 * When the file is absent beside existing records, waits for it: it may lie on a removable medium
 * that is not mounted yet, and no other key opens the records.
 * @throws {AranyaError} code "invalid" when the file does not hold 32 bytes, "internal" when it
 * can't be read or written
 * @throws the signal's reason when it is aborted
 */
export async function loadStateKey(
  path: string,
  options: LoadStateKeyOptions,
): Promise<Uint8Array> {
  const { stateDir, signal, onWait, clock = SYSTEM_CLOCK } = options;
  const action = `Cannot use state key file "${path}"`;
  for (let isWaiting = false;; isWaiting = true) {
    const key = await readKey(path, action);
    if (key) return key;
    if (!await hasRecords(stateDir)) return await createKey(path, action);
    if (!isWaiting) {
      onWait?.(
        new AranyaError(
          "not_found",
          `${action}: it does not exist, expected the key of the records in "${stateDir}"`,
        ),
      );
    }
    await clock.sleep(POLL_MS, { signal });
  }
}

/** Returns undefined when the file does not exist. */
async function readKey(
  path: string,
  action: string,
): Promise<Uint8Array | undefined> {
  let key: Uint8Array;
  try {
    key = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fromDiskError(error, action);
  }
  if (key.length === KEY_BYTES) return key;
  throw new AranyaError(
    "invalid",
    `${action}: it has ${key.length} bytes, expected ${KEY_BYTES}`,
  );
}

async function createKey(path: string, action: string): Promise<Uint8Array> {
  const key = new Uint8Array(randomBytes(KEY_BYTES));
  try {
    await replaceFile({ path, content: key });
    // A record must not outlive the key that opens it.
    await syncDir(dirname(path));
  } catch (error) {
    throw fromDiskError(error, action);
  }
  return key;
}

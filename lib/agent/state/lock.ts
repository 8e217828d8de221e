// SPDX-License-Identifier: Apache-2.0
/** Exclusive use of the state directory. */
import { type Clock, SYSTEM_CLOCK } from "../../shared/base/mod.ts";
import { fromDiskError } from "./disk.ts";

/** Pause between two attempts to take the lock. */
const POLL_MS = 500;
const EXCLUSIVE = true;

/** Options of {@linkcode lockStateDir}. */
export interface LockStateDirOptions {
  /** Ends the wait. */
  signal: AbortSignal;
  /** Called once when another process holds the lock and the wait begins. */
  onWait?: () => void;
  /** @default the machine's */
  clock?: Clock;
}

/**
 * Creates the directory when it is absent, and waits until no other process holds it. Dispose the
 * result to release the lock. It is a kernel lock on a file: it ends with the process, however that
 * dies.
 *
 * The lock is polled, since a wait in the kernel could not be aborted.
 * @throws {AranyaError} code "internal" when the directory can't be created or written
 * @throws the signal's reason when it is aborted
 */
export async function lockStateDir(
  dir: string,
  options: LockStateDirOptions,
): Promise<Disposable> {
  const { signal, onWait, clock = SYSTEM_CLOCK } = options;
  const file = await openLockFile(dir);
  try {
    let isWaiting = false;
    while (!await file.tryLock(EXCLUSIVE)) {
      if (!isWaiting) onWait?.();
      isWaiting = true;
      await clock.sleep(POLL_MS, { signal });
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return { [Symbol.dispose]: () => file.close() };
}

async function openLockFile(dir: string): Promise<Deno.FsFile> {
  try {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    return await Deno.open(`${dir}/lock`, {
      read: true,
      write: true,
      create: true,
      mode: 0o600,
    });
  } catch (error) {
    throw fromDiskError(error, `Cannot use state directory "${dir}"`);
  }
}

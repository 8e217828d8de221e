// SPDX-License-Identifier: Apache-2.0
/** One agent per state directory: the kernel's lock on a file, gone with the process that holds it, however that ends. */
import { type Clock, SYSTEM_CLOCK } from "../../shared/base/mod.ts";
import { fromDiskError } from "./disk.ts";

const LOOK_INTERVAL_MS = 500;
const EXCLUSIVE = true;

/** Options of {@linkcode lockStateDir}. */
export interface LockStateDirOptions {
  /** Ends the wait. */
  signal: AbortSignal;
  /** Called once when another process holds the lock and we begin to wait. */
  onWait?: () => void;
  /** Time. @default the machine's */
  clock?: Clock;
}

/**
 * Waits until this process alone holds the directory (created when absent); dispose to let it go.
 * Looked at twice a second rather than waited for in the kernel, since such a wait could not be given up.
 * @throws {AranyaError} code "internal" when the directory can't be made or written; the signal's reason when aborted
 */
export async function lockStateDir(
  dir: string,
  options: LockStateDirOptions,
): Promise<Disposable> {
  const { signal, onWait, clock = SYSTEM_CLOCK } = options;
  let file: Deno.FsFile;
  try {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    file = await Deno.open(`${dir}/lock`, {
      read: true,
      write: true,
      create: true,
      mode: 0o600,
    });
  } catch (error) {
    throw fromDiskError(error, `Cannot use state directory "${dir}"`);
  }
  try {
    let told = false;
    while (!await file.tryLock(EXCLUSIVE)) {
      if (!told) onWait?.();
      told = true;
      await clock.sleep(LOOK_INTERVAL_MS, { signal });
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return { [Symbol.dispose]: () => file.close() };
}

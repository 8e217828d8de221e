// SPDX-License-Identifier: Apache-2.0
/** The pty library: how it is loaded, and what it has to be kept from. */
import type * as NodePty from "@lydell/node-pty";
import { closeSync, constants, openSync } from "node:fs";
import type { IPty } from "@lydell/node-pty";
import { AranyaError } from "../../shared/base/mod.ts";

/** Without these permissions node-pty throws from a timer, where no caller can catch it. */
const NEEDED_PERMISSIONS = ["read", "write", "run", "ffi"] as const;

/**
 * Loads the pty library, which has a native part, at its first use.
 * @throws {AranyaError} code "forbidden" without the permissions it needs, "unsupported" when it
 * can't be loaded on this machine
 */
export async function loadPty(): Promise<typeof NodePty> {
  for (const name of NEEDED_PERMISSIONS) {
    const { state } = await Deno.permissions.query({ name });
    // ffi may be granted for the library's folder alone, which the query doesn't show.
    if (state === "granted" || name === "ffi") continue;
    throw new AranyaError(
      "forbidden",
      `Cannot open terminal on the device: the agent's permission set lacks "${name}", expected it without limits`,
    );
  }
  try {
    return await import("@lydell/node-pty");
  } catch (error) {
    throw new AranyaError(
      "unsupported",
      "Cannot open terminal on the device: the pty library can't be loaded",
      { cause: error },
    );
  }
}

/**
 * Keeps the program's side of the terminal open until the program has exited; dispose the result
 * to stop that.
 *
 * A program may close its side before it exits (coreutils do). The library would take that for the
 * exit and hang up, so that SIGHUP would become the exit code. Its exit event comes too late to end
 * the hold; but when the program has exited, the library calls `once("close", …)`, which is
 * intercepted here.
 */
export function holdTerminalOpen(terminal: IPty): Disposable {
  const path: unknown = Reflect.get(terminal, "ptsName");
  const once: unknown = Reflect.get(terminal, "once");
  if (typeof path !== "string" || typeof once !== "function") {
    return { [Symbol.dispose]() {} };
  }
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  } catch {
    // The program has exited already, and its side of the terminal with it.
  }
  const release = () => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  Object.defineProperty(terminal, "once", {
    value: (...parameters: unknown[]) => {
      if (parameters[0] === "close") release();
      return once.apply(terminal, parameters);
    },
  });
  return { [Symbol.dispose]: release };
}

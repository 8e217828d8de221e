// SPDX-License-Identifier: Apache-2.0
/**
 * How long programs waited for a CPU, so that a measured time can be judged on a busy machine.
 *
 * Source: https://docs.kernel.org/accounting/psi.html
 */

/** Where the kernel reports it; absent in kernels without pressure stall information. */
const PRESSURE = "/proc/pressure/cpu";

/**
 * Returns the time since the machine started in which at least one program waited for a CPU, in
 * milliseconds, or 0 where the kernel does not measure it.
 */
export async function readCpuStallMs(): Promise<number> {
  try {
    const text = await Deno.readTextFile(PRESSURE);
    // The kernel counts microseconds.
    return Number(text.match(/^some .*\btotal=(\d+)$/m)?.[1] ?? 0) / 1000;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Errors that nothing else catches. */

/**
 * Calls the function with each exception of a callback and each rejection that nothing catches,
 * which otherwise end the process. It serves many devices or pods: a defect that shows with one of
 * them must not end the others. The function must not throw.
 */
export function onStrayError(report: (error: unknown) => void): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    report(event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(event.reason);
  });
}

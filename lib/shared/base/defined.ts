// SPDX-License-Identifier: Apache-2.0
/** Optional properties under `exactOptionalPropertyTypes`. */

/** `T` with each property that may be undefined made optional. */
export type Defined<T> =
  & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & {
    [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<
      T[K],
      undefined
    >;
  };

/**
 * Copies an object without the properties that are undefined.
 *
 * @example
 * ```ts
 * const options = { timeoutMs, ...defined({ signal, ca }) };
 * ```
 */
export function defined<T extends object>(properties: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(properties).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}

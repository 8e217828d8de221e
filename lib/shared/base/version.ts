// SPDX-License-Identifier: Apache-2.0
/** The version of this program. */

/** Version of operator and agent; the same as in deno.json, which a test compares. */
export const VERSION = "0.1.0";

// SPDX-License-Identifier: Apache-2.0
/**
 * The operator process. Flags and the connection to an API server come in; leadership of a
 * namespace, served EdgeDevices, and HTTP pages for health and metrics go out. This room wires the
 * others together, and never decides about a single device or pod.
 *
 * @example
 * ```ts
 * const options = parseOperatorOptions(["--namespace", "edge"], { KUBECONFIG: "admin.conf" });
 * const log = createLogger({ level: options.logLevel });
 * await runOperator({ options, version: VERSION, log, signal });
 * ```
 *
 * @module
 */
export {
  OPERATOR_USAGE,
  type OperatorEnv,
  type OperatorOptions,
  parseOperatorOptions,
} from "./options.ts";
export { runOperator, type RunOperatorOptions } from "./operator.ts";

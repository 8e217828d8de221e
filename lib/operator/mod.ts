// SPDX-License-Identifier: Apache-2.0
/**
 * All devices of a namespace: flags and an API server come in; leadership, listeners, certificates, watches and the pages for health and
 * figures go out. This room never looks inside a device.
 *
 * @module
 */
export {
  OPERATOR_USAGE,
  type OperatorEnv,
  type OperatorOptions,
  parseOperatorOptions,
} from "./options.ts";
export {
  LEADER_LEASE,
  runOperator,
  type RunOperatorOptions,
} from "./operator.ts";

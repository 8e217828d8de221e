// SPDX-License-Identifier: Apache-2.0
/**
 * The device's side of the wire methods: one file per command from the operator, and the reports
 * that the device sends by itself. Decoded requests and streams come in; calls of the runtime and
 * of the pod workers, responses and reports go out. This room never decides what a pod needs, and
 * never opens the host against the switches in agent.yaml.
 *
 * @example
 * ```ts
 * const handlers = new CommandHandlers({
 *   podWorkers, reader, credential, endpoints, context,
 * });
 * const session = createSession({ side: "agent", handlers, log });
 * const reports = new PodReports({ session, clock, log });
 * scope.run((signal) => reports.run(signal));
 * ```
 *
 * @module
 */
export { BlobFetcher } from "./blobs.ts";
export {
  CommandHandlers,
  type CommandHandlersOptions,
  type CredentialRotation,
} from "./command_handlers.ts";
export type { EndpointUpdates } from "./configure.ts";
export type { PodRecords, StreamContext } from "./context.ts";
export { FactsReport, type FactsReportOptions } from "./facts_report.ts";
export { PodReports, type PodReportsOptions } from "./pod_reports.ts";

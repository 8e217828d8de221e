// SPDX-License-Identifier: Apache-2.0
/**
 * The device's side of the wire methods: one file per command from the operator, and the reports that the device sends by itself.
 * Decoded requests and streams come in; calls of the runtime and of the pod workers, answers and reports go out. This room never
 * decides what a pod needs, and never opens the host against the switches in agent.yaml.
 *
 * @module
 */
export { fetchBlobs } from "./blobs.ts";
export { createFactsReport, type FactsReport } from "./facts.ts";
export { createHandlers, type CredentialRotation } from "./handlers.ts";
export { createReports } from "./reports.ts";

// SPDX-License-Identifier: Apache-2.0
/**
 * The stream lane of one device: calls of the kubelet face become streams of its session. Calls and look-ups come in, bytes and exit statuses go
 * out. This room never decides who may call.
 *
 * @module
 */
export { DeviceHandlers, type DeviceHandlersOptions } from "./handlers.ts";

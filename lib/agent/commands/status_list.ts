// SPDX-License-Identifier: Apache-2.0
/** Lists of pod statuses that the operator accepts. */
import {
  type ContainerState,
  type ContainerStatus,
  encodeMessage,
  MAX_REPORTED_PODS,
  MAX_VALUE_BYTES,
  type PodStatus,
  PodStatusListSchema,
} from "../../shared/wire/mod.ts";
import { encodeFirst } from "./first_elements.ts";

/** Upper bound of a list, with room for the envelope of the request. */
const MAX_LIST_BYTES = MAX_VALUE_BYTES.operator - 64 * 1024;
/** Lengths that messages are cut to, one after the other, until the list is small enough. */
const MESSAGE_LENGTHS = [1024, 128, 0];

/** Encodes a PodStatusList. If it would be too large for the operator, its messages are cut. */
export function encodeStatuses(pods: readonly PodStatus[]): Uint8Array {
  let encoded = encodeMessage(PodStatusListSchema, { pods: [...pods] });
  for (const length of MESSAGE_LENGTHS) {
    if (encoded.length <= MAX_LIST_BYTES) break;
    encoded = encodeMessage(PodStatusListSchema, {
      pods: pods.map((pod) => withCutMessages(pod, length)),
    });
  }
  return encoded;
}

/**
 * Encodes a PodStatusList of the first pods, as many as the operator accepts in one request, and
 * at least one.
 */
export function encodeFirstStatuses(
  pods: readonly PodStatus[],
): { payload: Uint8Array; count: number } {
  return encodeFirst(pods.slice(0, MAX_REPORTED_PODS), {
    maxBytes: MAX_LIST_BYTES,
    encodeOne: (pod) => encodeStatuses([pod]),
  });
}

function withCutMessages(pod: PodStatus, length: number): PodStatus {
  const cut = (container: ContainerStatus): ContainerStatus => ({
    ...container,
    state: withCutMessage(container.state, length),
    lastTerminated: withCutMessage(container.lastTerminated, length),
  });
  return {
    ...pod,
    initContainers: pod.initContainers.map(cut),
    containers: pod.containers.map(cut),
    failureMessage: pod.failureMessage.slice(0, length),
  };
}

function withCutMessage(
  state: ContainerState | undefined,
  length: number,
): ContainerState | undefined {
  switch (state?.state.case) {
    case "waiting": {
      const { value } = state.state;
      const message = value.message.slice(0, length);
      return {
        ...state,
        state: { case: "waiting", value: { ...value, message } },
      };
    }
    case "terminated": {
      const { value } = state.state;
      const message = value.message.slice(0, length);
      return {
        ...state,
        state: { case: "terminated", value: { ...value, message } },
      };
    }
    default:
      return state;
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Requests for tests, with what they all have in common. */
import type {
  ContainerRequest,
  SandboxRequest,
} from "../../../../lib/agent/runtime/mod.ts";
import { ContainerSchema, create } from "../../../../lib/shared/wire/mod.ts";

/** UID of the tests' pod. */
export const POD_UID = "11111111-2222-4333-8444-555555555555";

/** A pod's infra container. */
export function sandboxRequest(
  changes: Partial<SandboxRequest> = {},
): SandboxRequest {
  return {
    podUid: POD_UID,
    namespace: "default",
    name: "web",
    hostname: "web",
    hostNetwork: false,
    hostPid: false,
    hostIpc: false,
    shareProcessNamespace: false,
    podCidr: "10.200.7.0/26",
    dns: undefined,
    hostAliases: [],
    sysctls: [],
    ...changes,
  };
}

/** Fields of the container message. */
export type ContainerFields = NonNullable<
  Parameters<typeof create<typeof ContainerSchema>>[1]
>;

/** A container of that pod. */
export function containerRequest(
  fields: ContainerFields,
  changes: Partial<ContainerRequest> = {},
): ContainerRequest {
  return {
    podUid: POD_UID,
    namespace: "default",
    podName: "web",
    kind: "app",
    container: create(ContainerSchema, {
      name: "main",
      image: "img",
      ...fields,
    }),
    imageId: "sha256:1",
    attempt: 0,
    env: [],
    command: [],
    args: [],
    binds: [],
    supplementalGroups: [],
    hostNetwork: false,
    hostPid: false,
    hostIpc: false,
    shareProcessNamespace: false,
    labels: {},
    ...changes,
  };
}

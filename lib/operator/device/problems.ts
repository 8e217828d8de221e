// SPDX-License-Identifier: Apache-2.0
/** Problem conditions of an EdgeDevice: each type, reason and message in one place. */
import { toRfc3339, toSafeText } from "../../shared/base/mod.ts";

/** A value of any length may have been stored. */
const MAX_VALUE_LENGTH = 100;

/** A condition that is True while a problem lasts, and is dropped from the status afterwards. */
export interface ProblemCondition {
  readonly type:
    | "NameConflict"
    | "DuplicateDevice"
    | "NotSupported"
    | "AddressConflict"
    | "CertificateExpiring"
    | "CertificateIncomplete"
    | "SettingIgnored"
    | "VersionNotServed";
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
  /** Whether it keeps the device from being served; it is then the reason of `Ready` too. */
  readonly isFatal: boolean;
}

/**
 * A value of an EdgeDevice that can't be read. The schema has refused such values only since it has
 * a rule for them.
 */
export interface IgnoredSetting {
  /** E.g. "spec.pod.timers.forceSyncInterval". */
  readonly field: string;
  readonly text: string;
  /** What can be read. */
  readonly expected: string;
}

/** An object with a name that the device needs exists and isn't the operator's. */
export function nameConflict(kind: string, name: string): ProblemCondition {
  return {
    type: "NameConflict",
    reason: `${kind}Exists`,
    message:
      `Cannot create ${kind} "${name}": an object of this name exists that was not created for this EdgeDevice`,
    isFatal: true,
  };
}

/** The device's assigned pod range overlaps that of another owner. */
export function addressConflict(
  cidr: string,
  overlapsWith: string,
): ProblemCondition {
  return {
    type: "AddressConflict",
    reason: "RangeOverlaps",
    message: `pod range ${cidr} overlaps the range of ${overlapsWith}`,
    isFatal: false,
  };
}

/** No pod range can be picked for the device. */
export const POOL_EXHAUSTED: ProblemCondition = {
  type: "AddressConflict",
  reason: "PoolExhausted",
  message:
    "Cannot pick a pod range: 100.64.0.0/10 is used up, expected spec.pod.cidr",
  isFatal: true,
};

/** Another machine used the device's credential while the device was connected. */
export const DUPLICATE_DEVICE: ProblemCondition = {
  type: "DuplicateDevice",
  reason: "MachineRefused",
  message:
    "another machine with the same credential tried to connect and was refused",
  isFatal: false,
};

/** The agent speaks no protocol version that the operator supports; the message names both. */
export function unsupportedVersion(message: string): ProblemCondition {
  return {
    type: "VersionNotServed",
    reason: "AgentVersion",
    message,
    isFatal: false,
  };
}

/** The EdgeDevice sets an organization for its certificate, which the signer doesn't allow. */
export const ORGANIZATION_LEFT_OUT: ProblemCondition = {
  type: "CertificateIncomplete",
  reason: "OrganizationLeftOut",
  message:
    "signer kubernetes.io/kubelet-serving allows no organization but system:nodes, org is left out",
  isFatal: false,
};

/**
 * The kubelet server's certificate is long due, but no new one was signed.
 * @param notAfterMs its end, in milliseconds since 1970
 */
export function servingCertificateExpiring(
  notAfterMs: number,
): ProblemCondition {
  return {
    type: "CertificateExpiring",
    reason: "ServingCertificateExpiring",
    message: `the kubelet server's certificate ends at ${
      toRfc3339(notAfterMs)
    } and was not renewed, the operator's log has the reason`,
    isFatal: false,
  };
}

/**
 * The CA that the agent verifies the operator's endpoint with ends soon.
 * @param notAfterMs its end, in milliseconds since 1970
 */
export function authorityExpiring(notAfterMs: number): ProblemCondition {
  return {
    type: "CertificateExpiring",
    reason: "AuthorityExpiring",
    message: `the CA certificate in agent.yaml ends at ${
      toRfc3339(notAfterMs)
    }, the device can't connect afterwards`,
    isFatal: false,
  };
}

/** The EdgeDevice has a value that can't be read. */
export function settingIgnored(
  { field, text, expected }: IgnoredSetting,
): ProblemCondition {
  const value = toSafeText(text, { maxLength: MAX_VALUE_LENGTH });
  return {
    type: "SettingIgnored",
    reason: "UnreadableValue",
    message:
      `Cannot read ${field}: it is "${value}" and the default is used, expected ${expected}`,
    isFatal: false,
  };
}

/** The EdgeDevice sets a connectivity method that this version doesn't implement. */
export const MQTT_NOT_SUPPORTED: ProblemCondition = {
  type: "NotSupported",
  reason: "NotSupported",
  message:
    "connectivity method mqtt is not supported by this version, expected grpc",
  isFatal: true,
};

/**
 * Returns one condition for each type, because the list of conditions is keyed by type: several
 * problems of a type have the first one's reason, and all messages. The order of the problems
 * doesn't matter.
 */
export function mergeProblems(
  problems: readonly ProblemCondition[],
): ProblemCondition[] {
  const byType = Map.groupBy(problems, ({ type }) => type);
  return [...byType].sort(([left], [right]) => compare(left, right)).map(
    ([type, group]) => {
      const sorted = group.toSorted((left, right) =>
        compare(left.reason, right.reason) ||
        compare(left.message, right.message)
      );
      return {
        type,
        reason: sorted[0]?.reason ?? type,
        message: [...new Set(sorted.map(({ message }) => message))].join("; "),
        isFatal: group.some(({ isFatal }) => isFatal),
      };
    },
  );
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

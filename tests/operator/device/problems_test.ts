// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  addressConflict,
  DUPLICATE_DEVICE,
  mergeProblems,
  MQTT_NOT_SUPPORTED,
  nameConflict,
  ORGANIZATION_LEFT_OUT,
  settingIgnored,
  unsupportedVersion,
} from "../../../lib/operator/device/problems.ts";

Deno.test("problems have the reasons and messages that users see", () => {
  const texts = [
    nameConflict("Service", "edge/edge-1"),
    addressConflict("10.1.0.0/26", "node worker-1"),
    DUPLICATE_DEVICE,
    unsupportedVersion("Cannot serve protocol version 9"),
    ORGANIZATION_LEFT_OUT,
    MQTT_NOT_SUPPORTED,
    settingIgnored({
      field: "spec.pod.timers.forceSyncInterval",
      text: "so\non".padEnd(200, "!"),
      expected: 'a duration such as "1m30s"',
    }),
  ].map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
  assert.deepEqual(texts, [
    'NameConflict ServiceExists: Cannot create Service "edge/edge-1": an object of this name exists that was not created for this EdgeDevice',
    "AddressConflict RangeOverlaps: pod range 10.1.0.0/26 overlaps the range of node worker-1",
    "DuplicateDevice MachineRefused: another machine with the same credential tried to connect and was refused",
    "VersionNotServed AgentVersion: Cannot serve protocol version 9",
    "CertificateIncomplete OrganizationLeftOut: signer kubernetes.io/kubelet-serving allows no organization but system:nodes, org is left out",
    "NotSupported NotSupported: connectivity method mqtt is not supported by this version, expected grpc",
    `SettingIgnored UnreadableValue: Cannot read spec.pod.timers.forceSyncInterval: it is "${
      "so on".padEnd(100, "!")
    }" and the default is used, expected a duration such as "1m30s"`,
  ]);
});

Deno.test("only a taken name and an unsupported method are fatal", () => {
  assert.equal(nameConflict("Node", "edge-1").isFatal, true);
  assert.equal(MQTT_NOT_SUPPORTED.isFatal, true);
  assert.equal(addressConflict("10.1.0.0/26", "a").isFatal, false);
  assert.equal(DUPLICATE_DEVICE.isFatal, false);
  assert.equal(ORGANIZATION_LEFT_OUT.isFatal, false);
  assert.equal(unsupportedVersion("").isFatal, false);
  const setting = { field: "a", text: "b", expected: "c" };
  assert.equal(settingIgnored(setting).isFatal, false);
});

Deno.test("mergeProblems() makes one condition of all problems of a type, whatever their order", () => {
  const problems = [
    nameConflict("Service", "edge/edge-1"),
    DUPLICATE_DEVICE,
    nameConflict("Secret", "edge/edge-1-agent"),
    nameConflict("Service", "edge/edge-1"),
  ];
  const merged = mergeProblems(problems);
  assert.deepEqual(merged, mergeProblems(problems.toReversed()));
  assert.deepEqual(
    merged.map(({ type, reason, isFatal }) => `${type} ${reason} ${isFatal}`),
    ["DuplicateDevice MachineRefused false", "NameConflict SecretExists true"],
  );
  assert.match(merged[1]?.message ?? "", /^[^;]+agent": [^;]+; [^;]+edge-1": /);
});

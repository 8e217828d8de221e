// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { Method } from "../../../lib/shared/wire/mod.ts";
import type { Pod } from "../../../lib/operator/kube/mod.ts";
import { openCluster } from "../../_support/cluster.ts";
import {
  ALL_OFF,
  ALL_ON,
  BASELINE_POD,
  HOST_PODS,
  toRefusalMessage,
} from "../../_support/host_pods.ts";
import {
  type Failures,
  OfflineSyncer,
  SIGNAL,
} from "./_support/offline_syncer.ts";
import { PodFixture, TEST_NODE } from "./_support/pod_fixture.ts";
import { REFERRING_POD } from "./_support/translation_inputs.ts";

const HOST_NETWORK_POD: Pod = {
  ...REFERRING_POD,
  spec: { ...REFERRING_POD.spec, hostNetwork: true },
};
const HOST_NETWORK_REFUSAL = {
  reason: "ForbiddenByDevice",
  message:
    `Cannot run pod "ns/web": it has hostNetwork, turned off by the device's owner (pods.hostNamespaces: false in agent.yaml)`,
};

/** Returns phase and waiting reason of the status that was written last. */
function toRefused({ status }: Pod) {
  return {
    phase: status?.phase,
    waiting: status?.containerStatuses?.[0]?.state?.waiting,
  };
}

Deno.test("PodSyncer.sync() leaves a forbidden pod Pending, whether the operator or the device refuses it", async () => {
  const { message } = HOST_NETWORK_REFUSAL;
  for (
    const failures of [
      { switches: ALL_OFF },
      // The device's facts have not come yet.
      { apply: new AranyaError("forbidden", message) },
    ]
  ) {
    const offline = new OfflineSyncer(failures);
    offline.stored.pod = HOST_NETWORK_POD;
    for (let count = 0; count < 3; count++) {
      await offline.syncer.sync("ns/web", SIGNAL);
    }
    assert.deepEqual(toRefused(offline.stored.pod), {
      phase: "Pending",
      waiting: HOST_NETWORK_REFUSAL,
    });
    assert.deepEqual(
      offline.events.map(({ type, reason, message }) => ({
        type,
        reason,
        message,
      })),
      [{ type: "Warning", ...HOST_NETWORK_REFUSAL }],
    );
    if (!failures.switches) continue;
    assert.deepEqual(offline.requests, []);
    assert.equal(offline.stored.pod.status?.startTime, undefined);
  }
});

Deno.test("PodSyncer.sync() sends a forbidden pod once the device's owner allows it", async () => {
  const failures: Failures = { switches: ALL_OFF };
  const offline = new OfflineSyncer(failures);
  offline.stored.pod = HOST_NETWORK_POD;
  await offline.syncer.sync("ns/web", SIGNAL);
  failures.switches = { ...ALL_OFF, hostNamespaces: true };
  await offline.syncer.sync("ns/web", SIGNAL);
  assert.deepEqual(offline.requests, [Method.APPLY_POD]);
  // Forbidden again: the Event comes again.
  offline.devicePods.onDeviceConnected();
  failures.switches = ALL_OFF;
  await offline.syncer.sync("ns/web", SIGNAL);
  assert.deepEqual(offline.requests, [Method.APPLY_POD]);
  assert.equal(
    offline.events.filter(({ reason }) => reason === "ForbiddenByDevice")
      .length,
    2,
  );
});

Deno.test("PodSyncer.sync() leaves the end of a running pod that is forbidden now to the device", async () => {
  const failures: Failures = {};
  const offline = new OfflineSyncer(failures);
  offline.stored.pod = HOST_NETWORK_POD;
  await offline.syncer.sync("ns/web", SIGNAL);
  await offline.report(1);
  const writtenCount = offline.patches.length;
  failures.switches = ALL_OFF;
  await offline.syncer.sync("ns/web", SIGNAL);
  assert.equal(offline.patches.length, writtenCount);
  assert.deepEqual(offline.requests, [Method.APPLY_POD]);
});

Deno.test("PodSyncer.sync() deletes a forbidden pod at once, also while its device is offline", async () => {
  const failures: Failures = { switches: ALL_OFF };
  const offline = new OfflineSyncer(failures);
  offline.stored.pod = HOST_NETWORK_POD;
  await offline.syncer.sync("ns/web", SIGNAL);
  failures.offline = true;
  const { metadata } = offline.stored.pod;
  offline.stored.pod = {
    ...offline.stored.pod,
    metadata: { ...metadata, deletionTimestamp: "2026-01-01T00:00:00Z" },
  };
  await offline.syncer.sync("ns/web", SIGNAL);
  assert.equal(offline.stored.pod, undefined);
  assert.deepEqual(offline.requests, []);
});

Deno.test("PodSyncer sends no pod that reaches the host while its switch is off", async () => {
  await using cluster = await openCluster();
  await using fixture = await PodFixture.start(
    cluster,
    `ns-${crypto.randomUUID().slice(0, 8)}`,
  );
  await fixture.controller.close();
  let podSwitches = ALL_OFF;
  const controller = fixture.open({
    node: {
      ...TEST_NODE,
      get podSwitches() {
        return podSwitches;
      },
    },
  });
  fixture.connect();
  for (const { name, spec } of HOST_PODS) {
    await fixture.createPod(name, spec);
  }
  await fixture.createPod("baseline", BASELINE_POD);
  for (const { name, needs } of HOST_PODS) {
    const pod = await fixture.until(async () => {
      const found = await fixture.pod(name);
      return found?.status?.containerStatuses && found;
    });
    const waiting = pod.status?.containerStatuses?.[0]?.state?.waiting;
    assert.deepEqual(waiting, {
      reason: "ForbiddenByDevice",
      message: toRefusalMessage(`${fixture.namespace}/${name}`, needs),
    });
    assert.equal(pod.status?.phase, "Pending", name);
    assert.equal(pod.status?.startTime, undefined, name);
  }
  await fixture.waitForCall(`apply ${fixture.namespace}/baseline`);
  const isApply = (call: string) => call.startsWith("apply ");
  assert.equal(fixture.device.calls.filter(isApply).length, 1);
  podSwitches = ALL_ON;
  controller.onSwitchesChanged();
  await fixture.until(() =>
    fixture.device.calls.filter(isApply).length === HOST_PODS.length + 1
  );
});

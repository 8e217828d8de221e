// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { EdgeDevice, Pod } from "../../../lib/operator/kube/mod.ts";
import {
  DeviceLinkState,
  DevicePodDirectory,
  DevicePodSettings,
  toPodDns,
} from "../../../lib/operator/device/pod_dependencies.ts";
import { toPodList } from "../../../lib/operator/pods/mod.ts";
import type { PodTarget } from "../../../lib/shared/exec/mod.ts";
import type { Session } from "../../../lib/shared/session/mod.ts";

function makeEdge(servers?: string[]): EdgeDevice {
  return {
    metadata: { name: "edge-1" },
    ...(servers ? { spec: { pod: { dns: { servers } } } } : {}),
  };
}

Deno.test("DevicePodSettings reads the EdgeDevice anew on each use", () => {
  const device = {
    edge: makeEdge(["10.0.0.1"]),
    settings: { requestTimeoutMs: 1, podSyncMs: 2 },
  };
  const settings = new DevicePodSettings(device);
  assert.equal(settings.podSyncMs, 2);
  device.edge = makeEdge(["10.0.0.53"]);
  device.settings = { requestTimeoutMs: 3, podSyncMs: 4 };
  assert.deepEqual(settings.dns?.servers, ["10.0.0.53"]);
  assert.equal(settings.requestTimeoutMs, 3);
  assert.equal(settings.podSyncMs, 4);
});

Deno.test("toPodDns() fills in empty lists", () => {
  assert.deepEqual(toPodDns(makeEdge(["10.0.0.53"])), {
    servers: ["10.0.0.53"],
    searches: [],
    options: [],
  });
});

Deno.test("DeviceLinkState reads the state of link and session", () => {
  const edge = makeEdge();
  const link = {
    session: { connected: true } as Session,
    offlineSinceMs: 7,
    mayReturn: (given: EdgeDevice) => given === edge,
  };
  const state = new DeviceLinkState({ edge, link });
  assert.equal(state.connected, true);
  assert.equal(state.offlineSinceMs, 7);
  assert.equal(state.mayReturn, true);
});

/** A directory of device "edge-1" with one pod beside its virtual pod. */
function makeDirectory(virtual: Pod | undefined): DevicePodDirectory {
  const web: Pod = {
    metadata: { namespace: "ns", name: "web" },
    spec: { containers: [] },
  };
  return new DevicePodDirectory({
    node: {
      name: "edge-1",
      isVirtualPod: ({ namespace, name }) =>
        namespace === "edge" && name === "edge-1",
    },
    namespace: "edge",
    sources: { findPod: (key) => key === "edge/edge-1" ? virtual : undefined },
    pods: {
      findContainer: ({ pod }: PodTarget) => ({
        podUid: `uid of ${pod}`,
        container: "app",
        running: true,
        hasPrevious: false,
      }),
      list: ({ running }) => toPodList(running ? [] : [web]),
      nameOf: (uid) => ({ namespace: "ns", name: uid }),
    },
  });
}

Deno.test("DevicePodDirectory.findContainer() finds the virtual pod's only container", () => {
  const directory = makeDirectory(undefined);
  const target = { namespace: "edge", pod: "edge-1", container: "" };
  const host = {
    podUid: "",
    container: "host",
    running: true,
    hasPrevious: false,
  };
  assert.deepEqual(directory.findContainer(target), host);
  assert.deepEqual(
    directory.findContainer({ ...target, container: "host" }),
    host,
  );
  assert.throws(
    () => directory.findContainer({ ...target, container: "app" }),
    { code: "not_found" },
  );
  const other = { ...target, pod: "web" };
  assert.equal(directory.findContainer(other).podUid, "uid of web");
});

Deno.test("DevicePodDirectory.list() puts the virtual pod first, if there is one", () => {
  const virtual: Pod = {
    metadata: { namespace: "edge", name: "edge-1" },
    spec: { containers: [] },
  };
  const names = (pod: Pod | undefined, running: boolean) =>
    makeDirectory(pod).list({ running }).items.map(({ metadata }) =>
      metadata.name
    );
  assert.deepEqual(names(virtual, false), ["edge-1", "web"]);
  assert.deepEqual(names(virtual, true), ["edge-1"]);
  assert.deepEqual(names(undefined, false), ["web"]);
});

Deno.test("DevicePodDirectory.nameOf() returns the names of the device's pods", () => {
  assert.deepEqual(makeDirectory(undefined).nameOf("u"), {
    namespace: "ns",
    name: "u",
  });
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ContainerStatusSchema,
  create,
  PodSpecSchema,
  PodStatusSchema,
  TargetSchema,
} from "../../../lib/shared/wire/mod.ts";
import {
  resolveTarget,
  type StreamVerb,
} from "../../../lib/agent/commands/target.ts";

type StatusInit = MessageInitShape<typeof ContainerStatusSchema>;

const ended = (id: string) => ({
  state: {
    case: "terminated" as const,
    value: { exitCode: 1, containerId: `docker://${id}` },
  },
});
const RUNNING: StatusInit = {
  name: "app",
  containerId: "docker://c2",
  state: { state: { case: "running", value: {} } },
  lastTerminated: ended("c1"),
};
const CRASHED: StatusInit = {
  name: "app",
  containerId: "docker://c2",
  state: { state: { case: "waiting", value: { reason: "CrashLoopBackOff" } } },
  lastTerminated: ended("c2"),
};
const ENDED: StatusInit = {
  name: "app",
  containerId: "docker://c1",
  state: ended("c1"),
};
const CREATING: StatusInit = {
  name: "app",
  state: { state: { case: "waiting", value: { reason: "ContainerCreating" } } },
};

function resolve(
  verb: StreamVerb,
  options: {
    container?: StatusInit;
    name?: string;
    uid?: string;
    allowed?: boolean;
    hostNetwork?: boolean;
  },
) {
  const { allowed = true, uid = "u1", name = "app" } = options;
  return resolveTarget(
    create(TargetSchema, { podUid: uid, container: name, pod: "ns/web" }),
    {
      verb,
      device: "edge-1",
      host: {
        exec: allowed,
        attach: allowed,
        logs: allowed,
        portForward: allowed,
      },
      pods: {
        findStatus: (uid) =>
          uid === "u1" && options.container
            ? create(PodStatusSchema, { containers: [options.container] })
            : undefined,
        findSpec: () =>
          create(PodSpecSchema, { hostNetwork: options.hostNetwork ?? false }),
      },
    },
  );
}

for (
  const [verb, container, id] of [
    ["exec", RUNNING, "c2"],
    ["attach", RUNNING, "c2"],
    ["portForward", RUNNING, "c2"],
    ["logs", RUNNING, "c2"],
    ["logs", CRASHED, "c2"],
    ["logs", ENDED, "c1"],
    ["previousLogs", RUNNING, "c1"],
    ["previousLogs", CRASHED, "c2"],
  ] as const
) {
  Deno.test(`resolveTarget() returns instance ${id} for ${verb} when the container is ${container.state?.state?.case}`, () => {
    assert.deepEqual(resolve(verb, { container }), {
      kind: "container",
      containerId: id,
      podUid: "u1",
    });
  });
}

for (
  const [verb, container, text] of [
    [
      "exec",
      CREATING,
      'Cannot exec in container "app" of pod "ns/web": it is waiting (ContainerCreating), expected running',
    ],
    [
      "exec",
      ENDED,
      'Cannot exec in container "app" of pod "ns/web": it has terminated, expected running',
    ],
    [
      "logs",
      CREATING,
      'Cannot read logs of container "app" of pod "ns/web": it is waiting to start (ContainerCreating)',
    ],
    [
      "previousLogs",
      ENDED,
      'Cannot read previous logs of container "app" of pod "ns/web": previous terminated container "app" not found',
    ],
    [
      "portForward",
      ENDED,
      'Cannot forward ports to container "app" of pod "ns/web": no container of the pod is running',
    ],
  ] as const
) {
  Deno.test(`resolveTarget() throws: ${text}`, () => {
    assert.throws(() => resolve(verb, { container }), {
      code: "invalid",
      message: text,
    });
  });
}

Deno.test("resolveTarget() throws for an unknown pod or container", () => {
  assert.throws(() => resolve("exec", { container: RUNNING, uid: "u2" }), {
    code: "not_found",
  });
  assert.throws(() => resolve("exec", { container: RUNNING, name: "x" }), {
    code: "not_found",
  });
});

Deno.test("resolveTarget() returns the host when its owner allows it", () => {
  assert.deepEqual(resolve("exec", { uid: "" }), { kind: "host" });
});

for (
  const [verb, text] of [
    [
      "exec",
      'Cannot exec on host of device "edge-1": turned off by the device\'s owner (host.exec: false in agent.yaml)',
    ],
    [
      "attach",
      'Cannot attach to host of device "edge-1": turned off by the device\'s owner (host.attach: false in agent.yaml)',
    ],
    [
      "logs",
      'Cannot read logs of host of device "edge-1": turned off by the device\'s owner (host.logs: false in agent.yaml)',
    ],
    [
      "portForward",
      'Cannot forward ports to host of device "edge-1": turned off by the device\'s owner (host.portForward: false in agent.yaml)',
    ],
  ] as const
) {
  Deno.test(`resolveTarget() throws with the owner's switch for ${verb}`, () => {
    assert.throws(() => resolve(verb, { uid: "", allowed: false }), {
      code: "forbidden",
      message: text,
    });
  });
}

Deno.test("resolveTarget() forwards no ports of a pod in the host's network when host.portForward is off", () => {
  const pod = { container: RUNNING, hostNetwork: true };
  assert.throws(() => resolve("portForward", { ...pod, allowed: false }), {
    code: "forbidden",
    message:
      'Cannot forward ports to container "app" of pod "ns/web": it is in the network of the host, where this is turned off by the device\'s owner (host.portForward: false in agent.yaml)',
  });
  const container = { kind: "container", containerId: "c2", podUid: "u1" };
  assert.deepEqual(resolve("portForward", pod), container);
  assert.deepEqual(resolve("exec", { ...pod, allowed: false }), container);
  assert.deepEqual(
    resolve("portForward", { container: RUNNING, allowed: false }),
    container,
  );
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { ContainerInspect } from "../../../lib/agent/docker/mod.ts";
import {
  formatContainerName,
  fromInspect,
  fromLabels,
  toContainerLabels,
  toSandboxLabels,
} from "../../../lib/agent/runtime/labels.ts";
import { containerRequest, POD_UID } from "./_support/requests.ts";

const REQUEST = containerRequest({ name: "app", image: "busybox" }, {
  kind: "init",
  attempt: 3,
  labels: { specHash: "abc" },
});

function inspect(state: Partial<ContainerInspect["State"]>): ContainerInspect {
  return {
    Id: "id",
    Created: "2026-11-21T10:00:00.5Z",
    Image: "sha256:1",
    State: {
      Status: "exited",
      Running: false,
      OOMKilled: false,
      ExitCode: 0,
      Error: "",
      StartedAt: "0001-01-01T00:00:00Z",
      FinishedAt: "0001-01-01T00:00:00Z",
      ...state,
    },
    Config: { Image: "sha256:1", Tty: false, OpenStdin: false, Labels: null },
    HostConfig: { NetworkMode: "" },
    NetworkSettings: { Networks: null },
  };
}

Deno.test("fromLabels() returns what toContainerLabels() wrote", () => {
  const labels = toContainerLabels("dev", REQUEST);
  assert.deepEqual(fromLabels(labels), {
    device: "dev",
    podUid: POD_UID,
    namespace: "default",
    name: "web",
    container: "app",
    kind: "init",
    attempt: 3,
    image: "busybox",
    extra: { specHash: "abc" },
  });
});

Deno.test("fromLabels() returns infra containers, and undefined for other containers", () => {
  const pod = { device: "dev", podUid: "u", namespace: "n", name: "p" };
  assert.equal(fromLabels(toSandboxLabels(pod))?.kind, "sandbox");
  assert.equal(fromLabels({ maintainer: "somebody" }), undefined);
  assert.equal(fromLabels(null), undefined);
});

Deno.test("formatContainerName() is unique per attempt", () => {
  assert.equal(
    formatContainerName(REQUEST),
    `aranya_app_web_default_${POD_UID}_3`,
  );
});

Deno.test("fromInspect() returns a container that could not be started as exited with 128", () => {
  const identity = fromLabels(toContainerLabels("dev", REQUEST));
  assert.ok(identity);
  const failed = fromInspect(
    inspect({ Status: "created", Error: "no such command", ExitCode: 127 }),
    identity,
  );
  assert.equal(failed.state, "exited");
  assert.equal(failed.exitCode, 128);
  assert.equal(failed.error, "no such command");
  assert.equal(failed.finishedUnixMs, Date.parse("2026-11-21T10:00:00.5Z"));
});

Deno.test("fromInspect() returns state, times and the image as the pod names it", () => {
  const identity = fromLabels(toContainerLabels("dev", REQUEST));
  assert.ok(identity);
  const running = fromInspect(
    inspect({ Status: "running", StartedAt: "2026-11-21T10:00:01.25Z" }),
    identity,
  );
  assert.equal(running.state, "running");
  assert.equal(running.startedUnixMs, Date.parse("2026-11-21T10:00:01.25Z"));
  assert.equal(running.finishedUnixMs, 0);
  assert.equal(running.image, "busybox");
  const states = ["created", "paused", "dead"].map((Status) =>
    fromInspect(inspect({ Status }), identity).state
  );
  assert.deepEqual(states, ["created", "running", "exited"]);
});

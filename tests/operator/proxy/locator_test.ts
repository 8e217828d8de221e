// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type Clock, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import { Locator } from "../../../lib/operator/proxy/locator.ts";
import type {
  ContainerTarget,
  LinkState,
} from "../../../lib/operator/pods/mod.ts";
import { makeDirectory, TARGET } from "./_support/stream_rig.ts";

const CONNECTED: LinkState = {
  connected: true,
  offlineSinceMs: undefined,
  mayReturn: false,
};

function makeLocator(
  { container, link = CONNECTED, clock = SYSTEM_CLOCK }: {
    container?: Partial<ContainerTarget>;
    link?: LinkState;
    clock?: Clock;
  } = {},
): Locator {
  const pods = makeDirectory(container);
  return new Locator({ device: "edge-1", link, pods, clock });
}

Deno.test("Locator.locate() returns the wire target, with the default container's name", async () => {
  assert.deepEqual(
    await makeLocator().locate({ ...TARGET, container: "" }, "exec"),
    {
      target: { podUid: "u-1", container: "app", pod: "default/web" },
      action: 'Cannot exec in container "app" of pod "default/web"',
    },
  );
});

for (
  const [container, state] of [
    [{ running: false }, "it isn't running"],
    [
      { running: false, waiting: { reason: "CrashLoopBackOff", message: "" } },
      "it is waiting with reason CrashLoopBackOff",
    ],
  ] as const
) {
  Deno.test(`Locator.locate() refuses exec and attach, not logs, when ${state}`, async () => {
    const locator = makeLocator({ container });
    const object = 'container "app" of pod "default/web"';
    await assert.rejects(locator.locate(TARGET, "exec"), {
      code: "not_found",
      message: `Cannot exec in ${object}: ${state}`,
    });
    await assert.rejects(locator.locate(TARGET, "attach"), {
      code: "not_found",
      message: `Cannot attach to ${object}: ${state}`,
    });
    await locator.locate(TARGET, "logs");
    await locator.locate(TARGET, "portForward");
  });
}

Deno.test("Locator.locate() names the time since when a device is offline, with its date after a day", async () => {
  const offlineSinceMs = Date.UTC(2026, 0, 2, 12, 3, 11);
  let wallMs = offlineSinceMs + 60_000;
  const locator = makeLocator({
    link: { connected: false, offlineSinceMs, mayReturn: false },
    clock: { ...SYSTEM_CLOCK, wallMs: () => wallMs },
  });
  const error = 'Cannot exec in container "app" of pod "default/web": ' +
    'device "edge-1" has been offline since ';
  await assert.rejects(locator.locate(TARGET, "exec"), {
    code: "unavailable",
    message: `${error}12:03:11Z`,
  });
  wallMs += 24 * 60 * 60 * 1000;
  await assert.rejects(locator.locate(TARGET, "exec"), {
    code: "unavailable",
    message: `${error}2026-01-02T12:03:11Z`,
  });
});

Deno.test("Locator.waitForLink() waits for at most five seconds, and only while the device may return", async () => {
  let nowMs = 0;
  let backAtMs = 2_000;
  let mayReturn = true;
  const locator = makeLocator({
    link: {
      get connected() {
        return nowMs >= backAtMs;
      },
      offlineSinceMs: 0,
      get mayReturn() {
        return mayReturn;
      },
    },
    clock: {
      monotonicMs: () => nowMs,
      wallMs: () => nowMs,
      sleep: (ms) => Promise.resolve(void (nowMs += ms)),
    },
  });
  await locator.waitForLink("Cannot exec");
  assert.equal(nowMs, 2_000);
  backAtMs = Infinity;
  const offline = { code: "unavailable", message: /^Cannot exec: device/ };
  await assert.rejects(locator.waitForLink("Cannot exec"), offline);
  assert.equal(nowMs, 7_000);
  mayReturn = false;
  await assert.rejects(locator.waitForLink("Cannot exec"), offline);
  assert.equal(nowMs, 7_000);
});

const WAITING = { reason: "ImagePullBackOff", message: "no such image" };

for (
  const [container, previous, message] of [
    [
      { hasPrevious: false },
      true,
      'previous terminated container "app" in pod "web" not found',
    ],
    [
      { waiting: WAITING },
      false,
      'container "app" in pod "web" is waiting to start: trying and failing to pull image',
    ],
    [
      { waiting: { ...WAITING, reason: "ErrImagePull" } },
      false,
      `container "app" in pod "web" is waiting to start: image can't be pulled`,
    ],
    [
      { waiting: { ...WAITING, reason: "ContainerCreating" } },
      false,
      'container "app" in pod "web" is waiting to start: ContainerCreating',
    ],
  ] as const
) {
  Deno.test(`Locator.locateLog() throws: ${message}`, async () => {
    const locator = makeLocator({ container });
    const request = { target: TARGET, follow: false, timestamps: false };
    await assert.rejects(locator.locateLog({ ...request, previous }), {
      code: "invalid",
      message,
    });
  });
}

Deno.test("Locator.locateLog() finds the log of a container that waits for its restart", async () => {
  const locator = makeLocator({
    container: { waiting: WAITING, hasPrevious: true },
  });
  const request = { target: TARGET, follow: false, timestamps: false };
  const { target } = await locator.locateLog({ ...request, previous: false });
  assert.equal(target.container, "app");
});

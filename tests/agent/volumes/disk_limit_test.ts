// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { create, PodSpecSchema } from "../../../lib/shared/wire/mod.ts";
import {
  diskUsage,
  evictionMessage,
  limitedVolumes,
} from "../../../lib/agent/volumes/disk_limit.ts";
import { DeviceFixture, podOf } from "../pods/_support/device_fixture.ts";

const SIGNAL = new AbortController().signal;
const scratch = (value: { memory?: boolean; sizeLimitBytes?: bigint }) => ({
  name: "scratch",
  source: { case: "emptyDir" as const, value },
});

Deno.test("limitedVolumes() gives emptyDirs on disk that have a limit", () => {
  const found = (value: Parameters<typeof scratch>[0]) =>
    limitedVolumes(create(PodSpecSchema, { volumes: [scratch(value)] }));
  assert.deepEqual(found({ sizeLimitBytes: 5n }), [
    { name: "scratch", limitBytes: 5n },
  ]);
  assert.deepEqual(found({}), []);
  assert.deepEqual(found({ sizeLimitBytes: 5n, memory: true }), []);
});

Deno.test("evictionMessage() writes the limit as a quantity", () => {
  const say = (limitBytes: bigint) =>
    evictionMessage({ name: "scratch", limitBytes });
  assert.equal(
    say(10n << 20n),
    'Usage of EmptyDir volume "scratch" exceeds the limit "10Mi".',
  );
  assert.match(say(1_000n), /limit "1000"/);
});

Deno.test("diskUsage() counts what folders hold, and follows no link", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${dir}/a/b`, { recursive: true });
    await Deno.writeFile(`${dir}/a/b/file`, new Uint8Array(100_000));
    await Deno.symlink("/usr", `${dir}/link`);
    const bytes = await diskUsage(dir, SIGNAL);
    assert.ok(bytes >= 100_000 && bytes < 200_000, String(bytes));
    assert.equal(await diskUsage(`${dir}/absent`, SIGNAL), 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a pod whose emptyDir grows over its limit is evicted", async () => {
  await using device = await DeviceFixture.start();
  const sleeps = device.holdSleeps();
  await device.podWorkers.apply(
    podOf({ volumes: [scratch({ sizeLimitBytes: 65_536n })] }),
  );
  await device.shows("app:running#0");
  await Deno.writeFile(
    `${device.dir}/volumes/u1/volumes/scratch/big`,
    new Uint8Array(200_000),
  );
  sleeps.pass();
  await device.until(
    "never failed",
    () => device.podWorkers.findStatus("u1")?.failureReason === "Evicted",
  );
  assert.ok(
    device.events.some(({ reason, message }) =>
      reason === "Evicted" && /"scratch" exceeds the limit "64Ki"/.test(message)
    ),
  );
});

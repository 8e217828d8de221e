// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { create, PodSpecSchema } from "../../../lib/shared/wire/mod.ts";
import {
  DISK_USAGE_INTERVAL_MS,
  listLimitedVolumes,
  measureDiskUsage,
  toSizeLimitMessage,
} from "../../../lib/agent/volumes/disk_limit.ts";
import { podOf, PodsFixture } from "../pods/_support/pods_fixture.ts";

function existsSync(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

const SIGNAL = new AbortController().signal;
const scratch = (value: { memory?: boolean; sizeLimitBytes?: bigint }) => ({
  name: "scratch",
  source: { case: "emptyDir" as const, value },
});

Deno.test("listLimitedVolumes() returns the emptyDirs on disk that have a limit", () => {
  const list = (value: Parameters<typeof scratch>[0]) =>
    listLimitedVolumes(create(PodSpecSchema, { volumes: [scratch(value)] }));
  assert.deepEqual(list({ sizeLimitBytes: 5n }), [
    { name: "scratch", limitBytes: 5n },
  ]);
  assert.deepEqual(list({}), []);
  assert.deepEqual(list({ sizeLimitBytes: 5n, memory: true }), []);
});

Deno.test("toSizeLimitMessage() formats the limit as a quantity", () => {
  const format = (limitBytes: bigint) =>
    toSizeLimitMessage({ name: "scratch", limitBytes });
  assert.equal(
    format(10n << 20n),
    'Usage of EmptyDir volume "scratch" exceeds the limit "10Mi".',
  );
  assert.match(format(1_000n), /limit "1000"/);
});

Deno.test("measureDiskUsage() counts what directories hold, and does not follow links", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${dir}/a/b`, { recursive: true });
    await Deno.writeFile(`${dir}/a/b/file`, new Uint8Array(100_000));
    await Deno.symlink("/usr", `${dir}/link`);
    const { usedBytes, inodeCount } = await measureDiskUsage(dir, SIGNAL);
    assert.ok(usedBytes >= 100_000 && usedBytes < 200_000, String(usedBytes));
    assert.equal(inodeCount, 4);
    assert.deepEqual(await measureDiskUsage(`${dir}/absent`, SIGNAL), {
      usedBytes: 0,
      inodeCount: 0,
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a pod is evicted when its emptyDir exceeds its limit, also one of a later spec", async () => {
  await using fixture = await PodsFixture.start();
  const sleeps = fixture.holdSleeps(DISK_USAGE_INTERVAL_MS);
  await fixture.podWorkers.apply(podOf({ specHash: "h0" }));
  await fixture.waitForStatus("app:running#0");
  await fixture.podWorkers.apply(
    podOf({ volumes: [scratch({ sizeLimitBytes: 65_536n })] }),
  );
  const dir = `${fixture.dir}/volumes/u1/volumes/scratch`;
  await fixture.waitUntil("no volume", () => existsSync(dir));
  await Deno.writeFile(`${dir}/big`, new Uint8Array(200_000));
  sleeps.release();
  await fixture.waitUntil(
    "the pod never failed",
    () => fixture.podWorkers.findStatus("u1")?.failureReason === "Evicted",
  );
  assert.ok(
    fixture.events.some(({ reason, message }) =>
      reason === "Evicted" && /"scratch" exceeds the limit "64Ki"/.test(message)
    ),
  );
});

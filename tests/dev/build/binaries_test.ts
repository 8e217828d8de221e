// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { downloadOrBuild, isOlder } from "../../../dev/build/binaries.ts";
import { AranyaError } from "../../../lib/shared/base/mod.ts";

Deno.test("isOlder() compares versions by number", () => {
  assert.equal(isOlder("1.9.0", "1.36.3"), true);
  assert.equal(isOlder("1.36.3", "1.36.3"), false);
  assert.equal(isOlder("1.36.10", "1.36.3"), false);
});

/** Runs both ways with this outcome of the download; returns which ones were called. */
async function callBoth(downloadError?: Error): Promise<string[]> {
  const called: string[] = [];
  await downloadOrBuild("thing", {
    download: () => {
      called.push("download");
      return downloadError ? Promise.reject(downloadError) : Promise.resolve();
    },
    build: () => {
      called.push("build");
      return Promise.resolve();
    },
  });
  return called;
}

Deno.test("downloadOrBuild() builds only when the download is unavailable", async () => {
  assert.deepEqual(await callBoth(), ["download"]);
  assert.deepEqual(
    await callBoth(new AranyaError("unavailable", "no way out")),
    [
      "download",
      "build",
    ],
  );
  await assert.rejects(
    callBoth(new AranyaError("conflict", "wrong checksum")),
    /wrong checksum/,
  );
  await assert.rejects(callBoth(new TypeError("a defect")), /a defect/);
});

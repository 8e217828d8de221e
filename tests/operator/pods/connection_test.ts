// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import {
  type OpenConnectionOptions,
  PodConnection,
} from "../../../lib/operator/pods/connection.ts";

const REASON = new AranyaError("unavailable", "Cannot reach device");
const CAPABILITIES = ["pods.v1"];

/** Opens a connection whose listing is controlled by the test. */
function open(connection: PodConnection) {
  const started = Promise.withResolvers<() => void>();
  const errors: unknown[] = [];
  const failed = Promise.withResolvers<void>();
  const listing = Promise.withResolvers<void>();
  const list: OpenConnectionOptions["list"] = (onListed, signal) => {
    started.resolve(onListed);
    signal.addEventListener("abort", () => listing.reject(signal.reason));
    return listing.promise;
  };
  const onError = (error: unknown) => {
    errors.push(error);
    failed.resolve();
  };
  connection.open({ capabilities: CAPABILITIES, list, onError });
  return {
    started: started.promise,
    failed: failed.promise,
    listing,
    errors,
  };
}

Deno.test("PodConnection.listed is undefined until the device has listed its pods", async () => {
  const connection = new PodConnection();
  const isListed = () => connection.listed !== undefined;
  assert.equal(isListed(), false);
  const { started } = open(connection);
  assert.equal(isListed(), false);
  const onListed = await started;
  onListed();
  const { listed } = connection;
  assert.deepEqual(listed?.capabilities, CAPABILITIES);
  assert.equal(listed?.signal.aborted, false);
  await connection.close(REASON);
});

Deno.test("PodConnection.close() aborts the signal with its reason and waits for the listing", async () => {
  const connection = new PodConnection();
  const { started, errors } = open(connection);
  const onListed = await started;
  onListed();
  const signal = connection.listed?.signal;
  await connection.close(REASON);
  assert.equal(signal?.reason, REASON);
  assert.equal(connection.listed, undefined);
  // a late list of the closed connection changes nothing
  onListed();
  assert.equal(connection.listed, undefined);
  assert.deepEqual(errors, []);
  await connection.close(REASON);
});

Deno.test("PodConnection.open() reports a listing that fails", async () => {
  const connection = new PodConnection();
  const { started, failed, listing, errors } = open(connection);
  await started;
  const failure = new Error("broken");
  listing.reject(failure);
  await failed;
  await connection.close(REASON);
  assert.deepEqual(errors, [failure]);
});

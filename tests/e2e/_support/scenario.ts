// SPDX-License-Identifier: Apache-2.0
/**
 * End-to-end scenarios: one world for each file, a deadline for each scenario, logs kept after a
 * failure.
 */
import assert from "node:assert/strict";
import { AranyaError, withDeadline } from "../../../lib/shared/base/mod.ts";
import type { RunResult } from "../../../dev/base/run.ts";
import { warn } from "../../../dev/base/terminal.ts";
import { until } from "../../../dev/base/wait.ts";
import {
  type KubeObject,
  NAMESPACE,
  stillLaunched,
  World,
  type WorldDevice,
  type WorldOptions,
} from "../../../dev/world/mod.ts";

/** The first device of most worlds. */
export const DEVICE = "edge-1";
const SCENARIO_TIMEOUT_MS = 240_000;

let hasFailed = false;

/** Options of {@linkcode scenario}. */
export interface ScenarioOptions {
  /**
   * Whether programs of the world start or end in the scenario. Deno's leak check takes them for
   * leaks of the test; the check at the end of the file finds programs that are really left.
   */
  restarts?: boolean;
  /** @default 240000 */
  timeoutMs?: number;
}

/** Registers a test with a deadline. */
export function scenario(
  title: string,
  work: () => Promise<void>,
  options: ScenarioOptions = {},
): void {
  const { restarts = false, timeoutMs = SCENARIO_TIMEOUT_MS } = options;
  Deno.test({
    name: title,
    ...restarts ? { sanitizeOps: false, sanitizeResources: false } : {},
    fn: async () => {
      try {
        await withDeadline(work, {
          timeoutMs,
          action: `Cannot finish scenario "${title}"`,
        });
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    },
  });
}

/**
 * Starts a world before the file's scenarios, and ends it after them with a check that no program
 * is left. Returns a function that returns the world.
 */
export function useWorld(options: WorldOptions = {}): () => World {
  let world: World | undefined;
  Deno.test.beforeAll(async () => {
    world = await World.start({ devices: [DEVICE], ...options });
  });
  Deno.test.afterAll(async () => {
    if (hasFailed && world) {
      world.network.keepFolder();
      warn(`logs are kept in ${world.network.folder}/logs`);
    }
    await world?.[Symbol.asyncDispose]();
    assert.deepEqual(stillLaunched(), []);
  });
  return () => {
    if (!world) {
      throw new AranyaError(
        "internal",
        "Cannot use the world: it did not start",
      );
    }
    return world;
  };
}

/** Returns a device of the world. @throws {AssertionError} when it is not there or has no engine */
export function mustDevice(
  world: World,
  name = DEVICE,
): Required<Pick<WorldDevice, "dockerd">> & WorldDevice {
  const device = mustDeviceWithoutEngine(world, name);
  assert.ok(device.dockerd, device.engineMissing ?? `${name} has no engine`);
  return { ...device, dockerd: device.dockerd };
}

/**
 * Returns a device of the world, with or without an engine.
 * @throws {AssertionError} when it is not there
 */
export function mustDeviceWithoutEngine(
  world: World,
  name = DEVICE,
): WorldDevice {
  const device = world.devices.get(name);
  assert.ok(device, `device ${name} is not there`);
  return device;
}

/** Runs kubectl in the operator's namespace, whatever its exit code. */
export function kubectl(world: World, ...args: string[]): Promise<RunResult> {
  return world.kubectl.tryRun(["-n", NAMESPACE, ...args], {
    timeoutMs: 120_000,
  });
}

/** Runs a shell script on the host of the first device, through kubectl exec in the virtual pod. */
export function onHost(world: World, script: string): Promise<RunResult> {
  return kubectl(world, "exec", DEVICE, "--", "sh", "-c", script);
}

/** Waits until kubectl exec works on the hosts of the named devices. */
export async function untilServed(
  world: World,
  options: {
    name?: string;
    timeoutMs?: number;
    detail?: () => Promise<string>;
  } = {},
): Promise<void> {
  const { name = DEVICE, timeoutMs = 60_000, detail } = options;
  await until(
    async () => (await kubectl(world, "exec", name, "--", "true")).code === 0,
    {
      what: `kubectl exec on device ${name}`,
      timeoutMs,
      intervalMs: 300,
      ...detail ? { detail } : {},
    },
  );
}

/**
 * Returns the status of a condition ("True", "False", "Unknown"), or "" when the object has no such
 * condition.
 */
export async function conditionStatus(
  world: World,
  condition: { kind: string; name: string; type: string },
): Promise<string> {
  const { kind, name, type } = condition;
  return await world.run(
    ...["get", kind, name, "-o"],
    `jsonpath={.status.conditions[?(@.type=="${type}")].status}`,
  );
}

/** Waits until a condition has this status, e.g. "True". */
export async function untilCondition(
  world: World,
  condition: { kind: string; name: string; type: string; status: string },
  options: { timeoutMs?: number; detail?: () => Promise<string> } = {},
): Promise<void> {
  const { name, type, status } = condition;
  const { timeoutMs = 60_000, detail } = options;
  await until(
    async () => await conditionStatus(world, condition) === status,
    {
      what: `condition ${type}=${status} of ${name}`,
      timeoutMs,
      intervalMs: 300,
      ...detail ? { detail } : {},
    },
  );
}

/** Waits until an object is deleted. */
export async function untilDeleted(
  world: World,
  kind: string,
  name: string,
): Promise<void> {
  await until(
    async () =>
      (await world.run("get", kind, name, "--ignore-not-found", "-o", "name"))
        .trim() === "",
    {
      what: `the deletion of ${kind} ${name}`,
      timeoutMs: 90_000,
      intervalMs: 300,
    },
  );
}

/** Waits for an Event about an object whose "reason message" matches; returns that text. */
export async function untilEvent(
  world: World,
  name: string,
  pattern: RegExp,
): Promise<string> {
  return await until(async () => {
    const events = await world.kubectl.list<
      KubeObject & { reason?: string; message?: string }
    >([
      ...["-n", NAMESPACE, "events"],
      `--field-selector=involvedObject.name=${name}`,
    ]);
    const found = events.find((one) =>
      pattern.test(`${one.reason} ${one.message}`)
    );
    return found && `${found.reason} ${found.message}`;
  }, {
    what: `an Event of ${name} that matches ${pattern}`,
    timeoutMs: 60_000,
    intervalMs: 300,
    detail: async () => (await kubectl(world, "get", "events")).stdout,
  });
}

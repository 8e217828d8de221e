// SPDX-License-Identifier: Apache-2.0
/** What every end-to-end story needs: a world per file, deadlines, logs kept when one fails, and a count of what still runs. */
import assert from "node:assert/strict";
import { AranyaError, withDeadline } from "../../../lib/shared/base/mod.ts";
import {
  type Device,
  type KubeObject,
  NAMESPACE,
  type RunResult,
  stillLaunched,
  until,
  World,
  type WorldOptions,
} from "../../_support/mod.ts";

/** The first device of most worlds. */
export const DEVICE = "edge-1";
const STORY_TIMEOUT_MS = 240_000;

let hasFailed = false;

/** Options of {@linkcode story}. */
export interface StoryOptions {
  /**
   * Programs of the world end or start in it, which Deno's leak check takes for leaks of the test. The world's own count at the end of
   * the file finds real ones.
   */
  restarts?: boolean;
  /** @default 240000 */
  timeoutMs?: number;
}

/** One story: a test with a deadline. */
export function story(
  title: string,
  work: () => Promise<void>,
  options: StoryOptions = {},
): void {
  const { restarts = false, timeoutMs = STORY_TIMEOUT_MS } = options;
  Deno.test({
    name: title,
    ...restarts ? { sanitizeOps: false, sanitizeResources: false } : {},
    fn: async () => {
      try {
        await withDeadline(work, {
          timeoutMs,
          action: `Cannot finish story "${title}"`,
        });
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    },
  });
}

/** Starts a world before the file's stories and ends it after them; nothing may run on. */
export function useWorld(options: WorldOptions = {}): () => World {
  let world: World | undefined;
  Deno.test.beforeAll(async () => {
    world = await World.start({ devices: [DEVICE], ...options });
  });
  Deno.test.afterAll(async () => {
    if (hasFailed && world) {
      world.network.keepFolder();
      const text = `logs are kept in ${world.network.folder}/logs\n`;
      await Deno.stderr.write(new TextEncoder().encode(text));
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

/** A device of the world with its engine. */
export function mustDevice(
  world: World,
  name = DEVICE,
): Required<Pick<Device, "dockerd">> & Device {
  const device = world.devices.get(name);
  assert.ok(
    device?.dockerd,
    device?.engineMissing ?? `device ${name} is not there`,
  );
  return { ...device, dockerd: device.dockerd };
}

/** A device of the world, with or without an engine. */
export function mustWorldDevice(world: World, name = DEVICE): Device {
  const device = world.devices.get(name);
  assert.ok(device, `device ${name} is not there`);
  return device;
}

/** kubectl in the operator's namespace, whatever its exit code. */
export function kubectl(world: World, ...args: string[]): Promise<RunResult> {
  return world.kubectl.tryRun(["-n", NAMESPACE, ...args], {
    timeoutMs: 120_000,
  });
}

/** A pod as far as the stories look at it. */
export interface PodObject extends KubeObject {
  metadata: KubeObject["metadata"] & {
    uid: string;
    deletionTimestamp?: string;
  };
  spec: { nodeName?: string };
  status?: {
    phase?: string;
    reason?: string;
    podIP?: string;
    hostIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
  };
}

/** One container's status. */
export interface ContainerStatus {
  name: string;
  ready: boolean;
  restartCount: number;
  containerID?: string;
  state: {
    running?: { startedAt: string };
    waiting?: { reason: string; message?: string };
    terminated?: Terminated;
  };
  lastState?: { terminated?: Terminated };
}

/** How an instance of a container ended. */
export interface Terminated {
  exitCode: number;
  reason: string;
  message?: string;
}

/** The pod of this name, or undefined. */
export function findPod(
  world: World,
  name: string,
): Promise<PodObject | undefined> {
  return world.kubectl.find<PodObject>(["-n", NAMESPACE, "pod", name]);
}

/** Waits until a pod is as wanted and returns it. */
export async function untilPod(
  world: World,
  name: string,
  options: {
    what: string;
    timeoutMs?: number;
    is: (pod: PodObject) => boolean;
  },
): Promise<PodObject> {
  const { what, timeoutMs = 60_000, is } = options;
  return await until(async () => {
    const pod = await findPod(world, name);
    return pod && is(pod) ? pod : undefined;
  }, {
    what: `pod ${name} ${what}`,
    timeoutMs,
    intervalMs: 300,
    detail: async () =>
      `${(await kubectl(world, "describe", "pod", name)).stdout}\n${
        await world.devices.get(DEVICE)?.agent.logTail() ?? ""
      }`,
  });
}

/** Whether a pod's condition Ready is True. */
export function isReady(pod: PodObject): boolean {
  return pod.status?.conditions?.some((one) =>
    one.type === "Ready" && one.status === "True"
  ) ?? false;
}

/** Waits until no pod of this name is there. */
export async function untilGone(
  world: World,
  kind: string,
  name: string,
): Promise<void> {
  await until(
    async () =>
      (await kubectl(
        world,
        "get",
        kind,
        name,
        "--ignore-not-found",
        "-o",
        "name",
      )).stdout.trim() === "",
    { what: `the end of ${kind} ${name}`, timeoutMs: 90_000, intervalMs: 300 },
  );
}

/** Waits until an Event about this object says what is wanted; its message. */
export async function untilEvent(
  world: World,
  name: string,
  pattern: RegExp,
): Promise<string> {
  return await until(async () => {
    const events = await world.kubectl.list<
      KubeObject & { reason?: string; message?: string }
    >([
      "-n",
      NAMESPACE,
      "events",
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

/** A pod bound to a device, with its toleration. */
export function podOn(
  device: string,
  name: string,
  spec: Record<string, unknown>,
): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: NAMESPACE, labels: { app: name } },
    spec: {
      ...placement(device),
      terminationGracePeriodSeconds: 2,
      ...spec,
    },
  };
}

/** What brings a pod to a device. */
export function placement(device: string): Record<string, unknown> {
  return {
    nodeSelector: { "arhat.dev/name": device },
    tolerations: [
      { key: "arhat.dev/namespace", operator: "Exists" },
      {
        key: "node.kubernetes.io/unreachable",
        operator: "Exists",
        effect: "NoExecute",
      },
      {
        key: "node.kubernetes.io/not-ready",
        operator: "Exists",
        effect: "NoExecute",
      },
    ],
  };
}

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  DockerHttpClient,
  type ImageListItem,
} from "../../../lib/agent/docker/mod.ts";
import { Dockerd, IMAGES } from "../../../dev/world/mod.ts";
import { LocalMachine } from "../../../lib/agent/host/mod.ts";
import { DockerImageCollector } from "../../../lib/agent/runtime/mod.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { RecordedLog } from "../_support/recorded_log.ts";
import { DEVICE_LABEL } from "../../../lib/agent/runtime/labels.ts";
import { FakeDockerClient } from "./_support/fake_docker_client.ts";

const { signal } = new AbortController();
const YOUNG_MS = 120_000;

/** An engine with images of 10 bytes each on a disk of 100 bytes. */
class ImagesFixture {
  readonly clock = new VirtualClock();
  readonly log = new RecordedLog();
  /** Ids of images, each with a tag of that name. */
  readonly images = ["infra", "a", "b", "c"];
  /** Ids of images that containers of pods use. */
  readonly used = new Set<string>();
  /** Ids of images that other containers use. */
  readonly foreign = new Set<string>();
  readonly removed: string[] = [];
  /** Images whose removal fails. */
  readonly conflicts = new Set<string>();
  usedBytes = 90;
  /** What was persisted, each time. */
  readonly saved: string[] = [];
  readonly #client: FakeDockerClient;
  collector: DockerImageCollector;

  constructor() {
    this.#client = new FakeDockerClient({
      respond: ({ method, path }) => this.#respond(method, path),
    });
    this.collector = this.#createCollector();
  }

  #createCollector(): DockerImageCollector {
    const machine = {
      readUsage: async () => ({
        ...await new LocalMachine().readUsage([]),
        disks: [{
          capacityBytes: 100,
          availableBytes: 100 - this.usedBytes,
          usedBytes: this.usedBytes,
          inodeCount: 0,
          freeInodeCount: 0,
          deviceId: 1,
        }],
      }),
    };
    return new DockerImageCollector({
      client: this.#client,
      machine,
      clock: this.clock,
      log: this.log.logger,
    });
  }

  /** Starts the agent anew, with the image ids that the one before has persisted. */
  async restart(): Promise<void> {
    this.collector = this.#createCollector();
    await this.collector.restore({
      load: () =>
        Promise.resolve(this.saved.at(-1)?.split(" ").filter(Boolean) ?? []),
      save: (ids) => {
        this.saved.push(ids.join(" "));
        return Promise.resolve();
      },
    });
  }

  /** Lets a pod use every image, then none. */
  async useAll(): Promise<void> {
    for (const id of this.images) this.used.add(id);
    await this.collector.collect([], signal);
    this.used.clear();
  }

  #respond(method: string, path: string): unknown {
    if (path === "/info") return { DockerRootDir: "/var/lib/docker" };
    if (path === "/containers/json") {
      return [
        ...[...this.used].map((ImageID) => ({
          ImageID,
          Labels: { [DEVICE_LABEL]: "edge-1" },
        })),
        ...[...this.foreign].map((ImageID) => ({ ImageID, Labels: {} })),
      ];
    }
    if (path === "/images/json") {
      return this.images.map((Id): ImageListItem => ({
        Id,
        RepoTags: Id === "c" ? ["<none>:<none>"] : [Id, `${Id}:2`],
        Size: 10,
        Created: 0,
      }));
    }
    const name = decodeURIComponent(path.split("/")[2] ?? "");
    if (method === "DELETE") {
      if (this.conflicts.has(name)) {
        throw new AranyaError("conflict", "Cannot remove image: in use");
      }
      return this.removed.push(name);
    }
    if (name === "aranya/infra:1") return { Id: "infra" };
    if (this.images.includes(name)) return { Id: name };
    throw new AranyaError("not_found", "Cannot inspect image: not found");
  }
}

Deno.test("collect() removes nothing when less than 85 % of the disk is used", async () => {
  const fixture = new ImagesFixture();
  fixture.usedBytes = 84;
  await fixture.collector.collect([], signal);
  await fixture.clock.pass(YOUNG_MS);
  assert.equal(await fixture.collector.collect([], signal), 0);
  assert.deepEqual(fixture.removed, []);
});

Deno.test("collect() removes unused images down to 80 %, the longest unused first, by all their names", async () => {
  const fixture = new ImagesFixture();
  await fixture.useAll();
  await fixture.clock.pass(YOUNG_MS);
  fixture.used.add("a");
  fixture.usedBytes = 84;
  assert.equal(await fixture.collector.collect([], signal), 0);
  fixture.usedBytes = 90;
  fixture.used.clear();
  assert.equal(await fixture.collector.collect([], signal), 10);
  assert.deepEqual(fixture.removed, ["b", "b:2"]);
  fixture.removed.length = 0;
  fixture.usedBytes = 100;
  assert.equal(await fixture.collector.collect([], signal), 20);
  assert.deepEqual(fixture.removed, ["b", "b:2", "c"]);
  assert.deepEqual(fixture.log.lines, [
    "unused images removed, the disk is nearly full",
    "unused images removed, the disk is nearly full",
  ]);
});

Deno.test("reclaim() removes all unused images, also when the disk is not full", async () => {
  const fixture = new ImagesFixture();
  fixture.usedBytes = 10;
  await fixture.useAll();
  await fixture.clock.pass(YOUNG_MS);
  assert.equal(await fixture.collector.reclaim(["a"], signal), 20);
  assert.deepEqual(fixture.removed, ["b", "b:2", "c"]);
});

Deno.test("reclaim() right after a start removes images that pods of an earlier start have used", async () => {
  const fixture = new ImagesFixture();
  await fixture.restart();
  fixture.foreign.add("a");
  fixture.used.add("b").add("c");
  await fixture.collector.collect([], signal);
  fixture.used.clear();
  fixture.foreign.clear();
  await fixture.restart();
  assert.equal(await fixture.collector.reclaim([], signal), 20);
  assert.deepEqual(fixture.removed, ["b", "b:2", "c"]);
});

Deno.test("reclaim() removes images that pods needed and never started", async () => {
  const fixture = new ImagesFixture();
  await fixture.restart();
  await fixture.collector.reclaim(["b"], signal);
  assert.deepEqual(fixture.removed, []);
  assert.equal(await fixture.collector.reclaim([], signal), 10);
});

Deno.test("reclaim() keeps an image that was pulled a moment ago", async () => {
  const fixture = new ImagesFixture();
  await fixture.restart();
  await fixture.useAll();
  fixture.images.push("new");
  await fixture.collector.reclaim(["new", ...fixture.images], signal);
  await fixture.collector.reclaim(["infra", "a", "b", "c"], signal);
  assert.deepEqual(fixture.removed, []);
});

Deno.test("collect() persists the ids of pods' images only when they have changed", async () => {
  const fixture = new ImagesFixture();
  await fixture.restart();
  fixture.usedBytes = 10;
  fixture.used.add("b");
  await fixture.collector.collect([], signal);
  await fixture.collector.collect([], signal);
  await fixture.restart();
  await fixture.collector.collect([], signal);
  assert.deepEqual(fixture.saved, ["b"]);
  fixture.used.add("a");
  await fixture.collector.collect([], signal);
  assert.deepEqual(fixture.saved, ["b", "a b"]);
});

Deno.test("onImagePulled() persists the image before any container uses it, once", async () => {
  const fixture = new ImagesFixture();
  await fixture.restart();
  await fixture.collector.onImagePulled("b");
  await fixture.collector.onImagePulled("b");
  assert.deepEqual(fixture.saved, ["b"]);
  // The pod was deleted, and the agent stopped.
  await fixture.restart();
  assert.equal(await fixture.collector.reclaim([], signal), 10);
  assert.deepEqual(fixture.removed, ["b", "b:2"]);
});

Deno.test("onImagePulled() keeps the ids of an earlier start, and those of images that aren't listed yet", async () => {
  const fixture = new ImagesFixture();
  await fixture.restart();
  await fixture.collector.onImagePulled("a");
  await fixture.restart();
  await fixture.collector.onImagePulled("new");
  await fixture.collector.reclaim(["a"], signal);
  assert.deepEqual(fixture.saved, ["a", "a new"]);
  fixture.images.push("new");
  await fixture.collector.reclaim(["a"], signal);
  await fixture.clock.pass(YOUNG_MS);
  assert.equal(await fixture.collector.reclaim(["a"], signal), 10);
  assert.deepEqual(fixture.removed, ["new", "new:2"]);
});

Deno.test("collect() goes on when ids can't be persisted, and tries again", async () => {
  const fixture = new ImagesFixture();
  fixture.used.add("a");
  let saveCount = 0;
  await fixture.collector.restore({
    load: () => Promise.reject(new AranyaError("internal", "broken")),
    save: () => {
      saveCount++;
      return Promise.reject(new AranyaError("internal", "disk full"));
    },
  });
  await fixture.collector.collect([], signal);
  fixture.used.clear();
  assert.equal(await fixture.collector.reclaim([], signal), 10);
  assert.equal(saveCount, 2);
});

Deno.test("collect() keeps images that are new, have a container, or are needed", async () => {
  const fixture = new ImagesFixture();
  fixture.usedBytes = 100;
  await fixture.useAll();
  await fixture.clock.pass(YOUNG_MS);
  fixture.used.add("a");
  fixture.images.push("new");
  await fixture.collector.collect(["b", "absent"], signal);
  assert.deepEqual(fixture.removed, ["c"]);
});

Deno.test("collect() never removes images that no pod has used", async () => {
  const fixture = new ImagesFixture();
  fixture.usedBytes = 100;
  fixture.foreign.add("a");
  await fixture.collector.collect([], signal);
  fixture.foreign.clear();
  await fixture.clock.pass(YOUNG_MS);
  assert.equal(await fixture.collector.collect([], signal), 0);
  assert.deepEqual(fixture.removed, []);
});

Deno.test("collect() goes on with the next image when one can't be removed", async () => {
  const fixture = new ImagesFixture();
  await fixture.useAll();
  await fixture.clock.pass(YOUNG_MS);
  fixture.conflicts.add("a");
  await fixture.collector.collect([], signal);
  assert.deepEqual(fixture.removed, ["b", "b:2"]);
});

Deno.test("run() collects every five minutes, also after a failure", async () => {
  const fixture = new ImagesFixture();
  const stop = new AbortController();
  let callCount = 0;
  const running = fixture.collector.run({
    listNeeded() {
      callCount++;
      if (callCount === 1) throw new AranyaError("internal", "broken");
      return [];
    },
    signal: stop.signal,
  });
  await fixture.clock.pass(5 * 60_000);
  assert.equal(callCount, 2);
  assert.equal(
    fixture.log.lines[0]?.split(":")[0],
    "unused images can't be removed, will retry",
  );
  stop.abort();
  await running;
});

Deno.test("DockerImageCollector on a real engine removes an image only when nothing uses it", async () => {
  await using engine = await Dockerd.start();
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const clock = new VirtualClock();
  const full = { capacityBytes: 100, availableBytes: 0, usedBytes: 100 };
  const collector = new DockerImageCollector({
    client,
    clock,
    log: SILENT_LOGGER,
    machine: {
      readUsage: async () => ({
        ...await new LocalMachine().readUsage([]),
        disks: [{ ...full, inodeCount: 0, freeInodeCount: 0, deviceId: 1 }],
      }),
    },
  });
  const list = async () =>
    (await engine.run(["images", "--format", "{{.Repository}}:{{.Tag}}"]))
      .trim().split("\n").toSorted();
  const all = await list();
  await collector.collect(all, signal);
  await clock.pass(YOUNG_MS);
  await collector.collect(all, signal);
  assert.deepEqual(await list(), all);
  const create = ["create", "--label", `${DEVICE_LABEL}=edge-1`];
  const id = await engine.run([...create, IMAGES.busybox, "true"]);
  // One of these may free what is enough for the fake disk.
  full.capacityBytes = 1e15;
  await collector.collect([], signal);
  assert.match((await list()).join(), /busybox/);
  await engine.run(["rm", id.trim()]);
  await collector.collect([], signal);
  assert.doesNotMatch((await list()).join(), /busybox/);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { HostMounts } from "../../../lib/agent/host/mod.ts";
import {
  ContainerSchema,
  create,
  PodSpecSchema,
  type VolumeSchema,
} from "../../../lib/shared/wire/mod.ts";
import {
  createVolumes,
  type Volumes,
} from "../../../lib/agent/volumes/volumes.ts";
import { absentPath } from "../../_support/absent_path.ts";

const SIGNAL = new AbortController().signal;
const UID = "uid-1";
type VolumeInit = MessageInitShape<typeof VolumeSchema>;

async function withVolumes(
  work: (volumes: Volumes, root: string) => Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir();
  const volumes = createVolumes({
    root: `${root}/volumes`,
    mounts: new HostMounts(),
    loadBlobs: ({ hashes }) =>
      Promise.resolve(
        new Map(hashes.map((hash) => [hash, utf8(`content ${hash}`)])),
      ),
  });
  try {
    await work(volumes, `${root}/volumes`);
  } finally {
    await volumes.remove(UID);
    await Deno.remove(root, { recursive: true });
  }
}

const podOf = (volumes: VolumeInit[], fsGroup?: bigint) =>
  create(PodSpecSchema, {
    uid: UID,
    volumes,
    ...(fsGroup !== undefined && { security: { fsGroup } }),
  });

const emptyDir = (
  name: string,
  more: { memory?: boolean; sizeLimitBytes?: bigint } = {},
): VolumeInit => ({
  name,
  source: { case: "emptyDir", value: more },
});
const hostPath = (path: string, type: string): VolumeInit => ({
  name: "host",
  source: { case: "hostPath", value: { path, type } },
});
const secret = (...hashes: string[]): VolumeInit => ({
  name: "secret",
  source: {
    case: "files",
    value: {
      secret: true,
      files: hashes.map((sha256) => ({ path: sha256, sha256, mode: 0o400 })),
    },
  },
});

const mounting = (
  mounts: { volume: string; path: string; subPath?: string }[],
) => create(ContainerSchema, { name: "app", mounts });

Deno.test("prepare() creates an emptyDir that all may write, and keeps what is in it", () =>
  withVolumes(async (volumes, root) => {
    const spec = podOf([emptyDir("work")]);
    await volumes.prepare(spec, SIGNAL);
    const dir = `${root}/${UID}/volumes/work`;
    assert.equal(((await Deno.stat(dir)).mode ?? 0) & 0o7777, 0o777);
    await Deno.writeTextFile(`${dir}/kept`, "");
    await volumes.prepare(spec, SIGNAL);
    await Deno.stat(`${dir}/kept`);
  }));

Deno.test("prepare() creates an emptyDir whose creation was interrupted before", () =>
  withVolumes(async (volumes, root) => {
    const dir = `${root}/${UID}/volumes/work`;
    await Deno.mkdir(`${dir}.aside`, { recursive: true, mode: 0o700 });
    await volumes.prepare(podOf([emptyDir("work")]), SIGNAL);
    assert.equal(((await Deno.stat(dir)).mode ?? 0) & 0o7777, 0o777);
    assert.deepEqual(
      (await Array.fromAsync(Deno.readDir(`${root}/${UID}/volumes`))).map((
        { name },
      ) => name),
      ["work"],
    );
  }));

Deno.test("prepare() sets group and setgid bit of an emptyDir when there is an fsGroup", () =>
  withVolumes(async (volumes, root) => {
    await volumes.prepare(podOf([emptyDir("work")], 2_000n), SIGNAL);
    const info = await Deno.stat(`${root}/${UID}/volumes/work`);
    assert.equal(info.gid, 2_000);
    assert.equal((info.mode ?? 0) & 0o7777, 0o2777);
  }));

Deno.test("prepare() mounts a tmpfs once, and remove() unmounts it", () =>
  withVolumes(async (volumes, root) => {
    const spec = podOf([
      emptyDir("mem", { memory: true, sizeLimitBytes: 65_536n }),
      secret("k1"),
    ]);
    await volumes.prepare(spec, SIGNAL);
    const dir = `${root}/${UID}/volumes`;
    const { dev } = await Deno.stat(root);
    assert.notEqual((await Deno.stat(`${dir}/mem`)).dev, dev);
    assert.equal(((await Deno.stat(`${dir}/mem`)).mode ?? 0) & 0o777, 0o777);
    assert.notEqual((await Deno.stat(`${dir}/secret`)).dev, dev);
    await Deno.writeTextFile(`${dir}/mem/kept`, "");
    await volumes.prepare(spec, SIGNAL);
    await Deno.stat(`${dir}/mem/kept`);
    assert.equal(await Deno.readTextFile(`${dir}/secret/k1`), "content k1");
    await volumes.remove(UID);
    await assert.rejects(Deno.stat(`${root}/${UID}`), Deno.errors.NotFound);
  }));

Deno.test("prepare() keeps a blocked volume that was set up before, and returns one that was not", () =>
  withVolumes(async (volumes, root) => {
    const blocked = { reason: "FailedMount", message: "no ConfigMap" };
    const blockedOf = (name: string): VolumeInit => ({ name, blocked });
    assert.equal(
      await volumes.prepare(podOf([secret("k1")]), SIGNAL),
      undefined,
    );
    const spec = podOf([blockedOf("secret")]);
    assert.equal(await volumes.prepare(spec, SIGNAL), undefined);
    const path = `${root}/${UID}/volumes/secret`;
    assert.equal(await Deno.readTextFile(`${path}/k1`), "content k1");
    const container = mounting([{ volume: "secret", path: "/s" }]);
    assert.deepEqual(await volumes.resolveBinds(spec, container), [
      { source: path, target: "/s", readOnly: true, propagation: "" },
    ]);
    const missing = await volumes.prepare(
      podOf([blockedOf("secret"), blockedOf("other"), emptyDir("work")]),
      SIGNAL,
    );
    assert.equal(missing?.name, "other");
    await Deno.stat(`${root}/${UID}/volumes/work`);
    // The tmpfs is lost when the device boots.
    await new HostMounts().unmount(path);
    const lost = await volumes.prepare(spec, SIGNAL);
    assert.equal(lost?.name, "secret");
  }));

Deno.test("release() removes the volumes, and keeps termination messages", () =>
  withVolumes(async (volumes, root) => {
    const instance = { podUid: UID, container: "app", attempt: 0 };
    await volumes.prepare(podOf([secret("k1"), emptyDir("work")]), SIGNAL);
    await Deno.writeTextFile(await volumes.createMessageFile(instance), "bye");
    await volumes.release(UID);
    await volumes.release(UID);
    await assert.rejects(
      Deno.stat(`${root}/${UID}/volumes`),
      Deno.errors.NotFound,
    );
    assert.deepEqual(await volumes.readMessage(instance), utf8("bye"));
  }));

Deno.test("prepare() updates a secret that is mounted", () =>
  withVolumes(async (volumes, root) => {
    await volumes.prepare(podOf([secret("k1")]), SIGNAL);
    await volumes.prepare(podOf([secret("k2")]), SIGNAL);
    const dir = `${root}/${UID}/volumes/secret`;
    assert.equal(await Deno.readTextFile(`${dir}/k2`), "content k2");
    await assert.rejects(Deno.stat(`${dir}/k1`), Deno.errors.NotFound);
  }));

Deno.test("prepare() creates a hostPath when its type allows it", () =>
  withVolumes(async (volumes, root) => {
    const dir = `${root}-host`;
    const spec = podOf([hostPath(`${dir}/a/b`, "DirectoryOrCreate")]);
    await volumes.prepare(spec, SIGNAL);
    assert.ok((await Deno.stat(`${dir}/a/b`)).isDirectory);
  }));

Deno.test("prepare() throws an error that names the volume", () =>
  withVolumes(async (volumes) => {
    const path = absentPath();
    await assert.rejects(
      volumes.prepare(podOf([hostPath(path, "File")]), SIGNAL),
      {
        message:
          `Cannot set up volume "host": hostPath type check failed: ${path} is not a file`,
      },
    );
  }));

Deno.test("resolveBinds() returns paths of volumes, sub-paths and the host, read-only for files", () =>
  withVolumes(async (volumes, root) => {
    const spec = podOf([emptyDir("work"), secret("k1"), hostPath("/etc", "")]);
    await volumes.prepare(spec, SIGNAL);
    const binds = await volumes.resolveBinds(
      spec,
      mounting([
        { volume: "work", path: "/work" },
        { volume: "work", path: "/deep", subPath: "a/b" },
        { volume: "secret", path: "/key", subPath: "k1" },
        { volume: "host", path: "/host" },
      ]),
    );
    const dir = `${root}/${UID}/volumes`;
    assert.equal(binds[0]?.source, `${dir}/work`);
    assert.equal(binds[0]?.readOnly, false);
    assert.equal(binds[1]?.source, `${root}/${UID}/subpaths/app-1`);
    assert.ok((await Deno.stat(`${dir}/work/a/b`)).isDirectory);
    assert.match(binds[2]?.source ?? "", /secret\/\.\.[0-9a-f]{8}\/k1$/);
    assert.equal(binds[2]?.readOnly, true);
    assert.equal(binds[3]?.source, "/etc");
  }));

Deno.test("resolveBinds() throws when a sub-path leads out of its volume", () =>
  withVolumes(async (volumes, root) => {
    const spec = podOf([emptyDir("work")]);
    await volumes.prepare(spec, SIGNAL);
    await Deno.symlink("/etc", `${root}/${UID}/volumes/work/link`);
    await assert.rejects(
      volumes.resolveBinds(
        spec,
        mounting([{ volume: "work", path: "/w", subPath: "link" }]),
      ),
      /the path leads out of the volume/,
    );
  }));

Deno.test("resolveBinds() throws when the pod has no such volume, or the volume no such file", () =>
  withVolumes(async (volumes) => {
    const spec = podOf([secret("k1")]);
    await volumes.prepare(spec, SIGNAL);
    await assert.rejects(
      volumes.resolveBinds(spec, mounting([{ volume: "x", path: "/x" }])),
      /the pod has no volume of that name/,
    );
    await assert.rejects(
      volumes.resolveBinds(
        spec,
        mounting([{ volume: "secret", path: "/x", subPath: "k9" }]),
      ),
      /the path does not exist/,
    );
  }));

Deno.test("remove() removes nothing that a container has mounted inside a volume", () =>
  withVolumes(async (volumes, root) => {
    const spec = podOf([emptyDir("work")]);
    await volumes.prepare(spec, SIGNAL);
    const other = await Deno.makeTempDir();
    await Deno.writeTextFile(`${other}/precious`, "");
    // As a privileged container with Bidirectional propagation does.
    const inside = `${root}/${UID}/volumes/work/other`;
    await Deno.mkdir(inside);
    await new HostMounts().bindMount(other, inside);
    await volumes.remove(UID);
    await Deno.stat(`${other}/precious`);
    await assert.rejects(Deno.stat(`${root}/${UID}`), Deno.errors.NotFound);
    await Deno.remove(other, { recursive: true });
  }));

Deno.test("resolveBinds() returns a subPath that stays in its volume when a container replaces it by a link", () =>
  withVolumes(async (volumes, root) => {
    const spec = podOf([emptyDir("work")]);
    await volumes.prepare(spec, SIGNAL);
    const dir = `${root}/${UID}/volumes/work`;
    await Deno.mkdir(`${dir}/d`);
    await Deno.writeTextFile(`${dir}/d/own`, "");
    const [bind] = await volumes.resolveBinds(
      spec,
      mounting([{ volume: "work", path: "/w", subPath: "d" }]),
    );
    await Deno.rename(`${dir}/d`, `${dir}/moved`);
    await Deno.symlink("/etc", `${dir}/d`);
    await Deno.stat(`${bind?.source}/own`);
  }));

Deno.test("readMessage() returns the last 4096 bytes of what the container wrote", () =>
  withVolumes(async (volumes) => {
    const instance = { podUid: UID, container: "app", attempt: 3 };
    assert.equal((await volumes.readMessage(instance)).length, 0);
    const path = await volumes.createMessageFile(instance);
    assert.equal((await Deno.stat(path)).mode, 0o100666);
    const written = new Uint8Array(5_000).map((_, index) => index % 251);
    await Deno.writeFile(path, written);
    assert.deepEqual(
      await volumes.readMessage(instance),
      written.slice(-4_096),
    );
    await volumes.removeMessageFile(instance);
    await volumes.removeMessageFile(instance);
    assert.equal((await volumes.readMessage(instance)).length, 0);
  }));

Deno.test("listPods() returns the pods that have a directory", () =>
  withVolumes(async (volumes) => {
    assert.deepEqual(await volumes.listPods(), []);
    await volumes.prepare(podOf([emptyDir("work")]), SIGNAL);
    assert.deepEqual(await volumes.listPods(), [UID]);
  }));

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { launch } from "../../../dev/world/launch.ts";
import { clearLeftovers } from "../../../dev/world/leftovers.ts";
import { Network } from "../../../dev/world/network.ts";
import { join, ROOT } from "../../../dev/base/paths.ts";
import { until } from "../../../dev/base/wait.ts";

async function mounts(): Promise<string> {
  return await Deno.readTextFile("/proc/self/mounts");
}

Deno.test("Network joins machines that reach each other and nothing else", async () => {
  await using network = await Network.start({ isolated: true });
  const device = await network.addDevice("edge-1");
  const other = await network.addDevice("edge-2");
  // Nothing listens there: a machine that is reached refuses.
  const reaches = async (address: string) => {
    const script =
      `await Deno.connect({ hostname: "${address}", port: 9 }).catch((e) => console.log(e.name))`;
    const result = await device.tryRun(Deno.execPath(), {
      args: ["eval", script],
    });
    return result.stdout.trim() === "ConnectionRefused";
  };
  assert.equal(await reaches(network.controlPlane.address), true);
  assert.equal(await reaches(other.address), true);
  assert.equal(await device.run("hostname"), "edge-1\n");
  assert.equal(
    await device.run("ip", { args: ["route", "show", "default"] }),
    "",
  );
});

Deno.test("Network leaves no mount and no folder", async () => {
  let folder = "";
  {
    await using network = await Network.start({ isolated: true });
    folder = network.folder;
    const device = await network.addDevice("edge-1");
    const program = await device.launch("sleep", {
      name: "sleep",
      args: ["1000"],
      log: join(folder, "logs/sleep"),
    });
    assert.equal(program.running, true);
  }
  assert.equal((await mounts()).includes(folder), false);
  await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
});

Deno.test("clearLeftovers() removes the world of a process that was killed", async () => {
  const report = await Deno.makeTempFile();
  const script = `
    import { Network } from "${join(ROOT, "dev/world/network.ts")}";
    const network = await Network.start({ isolated: true });
    const device = await network.addDevice("edge-1");
    await Deno.writeTextFile("${report}", network.folder);
    await device.run("sleep", { args: ["1000"] });`;
  const owner = await launch(Deno.execPath(), {
    name: "owner",
    args: ["eval", script],
    cwd: ROOT,
    log: `${report}.log`,
  });
  const folder = await until(
    () => Deno.readTextFile(report).then((text) => text || undefined),
    { what: "the world's folder", timeoutMs: 120_000 },
  );
  assert.equal((await mounts()).includes(folder), true);
  owner.kill("SIGKILL");
  await owner.exited;
  await until(async () => {
    await clearLeftovers();
    return !(await Deno.stat(folder).catch(() => undefined));
  }, { what: "the end of the leftovers" });
  assert.equal((await mounts()).includes(folder), false);
  await Deno.remove(report);
  await Deno.remove(`${report}.log`);
});

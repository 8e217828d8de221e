// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  parseCpuNanos,
  parseOsImage,
  parseSections,
  readHostFacts,
  selectAddresses,
} from "../../../lib/agent/host/facts.ts";

const ENV = { PATH: "/usr/bin:/bin" };

Deno.test("readHostFacts() returns the facts of this machine", async () => {
  const host = await readHostFacts({
    paths: ["/", "/absent/folder"],
    env: ENV,
  });
  assert.equal(host.os, "linux");
  assert.match(host.arch, /^(?:amd64|arm64)$/);
  assert.equal(host.kernelVersion, Deno.osRelease());
  assert.equal(host.hostname, Deno.hostname());
  assert.match(host.bootId, /^[0-9a-f-]{36}$/);
  assert.ok(host.cpuCount > 0 && host.cpuTotalNanos > 0);
  assert.ok(host.memoryBytes > host.memoryAvailableBytes);
  assert.ok(Math.abs(Date.now() - host.bootTimeUnixMs) > 1_000);
  assert.ok(host.threadCount > 0 && host.threadLimit > host.threadCount);
  // An absent folder may be in another file system than its parent: that of an engine elsewhere.
  const [root, absent] = host.disks;
  assert.ok((root?.capacityBytes ?? 0) > 0);
  assert.ok((root?.availableBytes ?? 0) > 0);
  assert.equal(absent, undefined);
});

Deno.test('parseOsImage() returns PRETTY_NAME without quotes, or "Linux"', () => {
  assert.equal(parseOsImage('ID=x\nPRETTY_NAME="Debian 12"\n'), "Debian 12");
  assert.equal(parseOsImage("PRETTY_NAME='A b'"), "A b");
  assert.equal(parseOsImage(""), "Linux");
});

Deno.test("parseOsImage() bounds the text and leaves out control characters", () => {
  const name = `a\tb${"c".repeat(100_000)}`;
  assert.equal(
    parseOsImage(`PRETTY_NAME="${name}"`),
    `a b${"c".repeat(253)}`,
  );
});

Deno.test("parseCpuNanos() leaves out idle and iowait", () => {
  assert.equal(
    parseCpuNanos("cpu  1 2 3 1000 1000 4 5 6 7 8\ncpu0 1"),
    210_000_000,
  );
  assert.equal(parseCpuNanos(""), 0);
});

Deno.test("parseSections() splits what head -v printed", () => {
  assert.deepEqual(
    [...parseSections(
      "==> /a <==\n1\n2\n\n==> /b c <==\n\n==> /d <==\nx <== y\n",
    )],
    [["/a", "1\n2"], ["/b c", ""], ["/d", "x <== y"]],
  );
});

Deno.test("readHostFacts() starts one process, and returns the usage that df prints", async () => {
  const dir = await Deno.makeTempDir();
  const program = await new Deno.Command("which", { args: ["head"] }).output();
  await Deno.symlink(
    new TextDecoder().decode(program.stdout).trim(),
    `${dir}/head`,
  );
  const paths = ["/", "/absent/folder"];
  const { bootId, disks } = await readHostFacts({ paths, env: { PATH: dir } });
  assert.match(bootId, /^[0-9a-f-]{36}$/);
  const df = await new Deno.Command("df", { args: ["-Pk", "/"] }).output();
  const [, kibibytes] = new TextDecoder().decode(df.stdout).split("\n")[1]
    ?.split(/\s+/) ?? [];
  assert.equal(disks[0]?.capacityBytes, Number(kibibytes) * 1_024);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("selectAddresses() returns the default route's IPv4 first and leaves out container interfaces", () => {
  const selected = selectAddresses([
    toInterface("lo", "IPv4", "127.0.0.1"),
    toInterface("wlan0", "IPv4", "10.0.0.2"),
    toInterface("eth0", "IPv6", "fe80::1"),
    toInterface("eth0", "IPv6", "fd00::2"),
    toInterface("docker0", "IPv4", "172.17.0.1"),
    toInterface("eth0", "IPv4", "192.168.1.2"),
  ], "Iface\tDestination\tGateway\neth0\t00000000\t0101A8C0\n");
  assert.deepEqual(selected, ["192.168.1.2", "10.0.0.2", "fd00::2"]);
});

Deno.test("selectAddresses() returns the first addresses of each family when there are many", () => {
  const selected = selectAddresses([
    ...Array.from(
      { length: 5000 },
      (_, index) =>
        toInterface("eth1", "IPv4", `10.1.${index >> 8}.${index & 255}`),
    ),
    toInterface("eth0", "IPv4", "192.168.1.2"),
    toInterface("eth0", "IPv6", "fd00::2"),
  ], "Iface\tDestination\tGateway\neth0\t00000000\t0101A8C0\n");
  assert.deepEqual(selected, [
    "192.168.1.2",
    ...Array.from({ length: 15 }, (_, index) => `10.1.0.${index}`),
    "fd00::2",
  ]);
});

function toInterface(
  name: string,
  family: "IPv4" | "IPv6",
  address: string,
): Deno.NetworkInterfaceInfo {
  return { name, family, address } as Deno.NetworkInterfaceInfo;
}

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  cpuNanosOf,
  diskOf,
  osImageOf,
  pickAddresses,
  readHost,
} from "../../../lib/agent/host/facts.ts";

const ENV = { PATH: "/usr/bin:/bin" };

Deno.test("readHost() reads this machine", async () => {
  const host = await readHost({ paths: ["/", "/absent/folder"], env: ENV });
  assert.equal(host.os, "linux");
  assert.match(host.arch, /^(?:amd64|arm64)$/);
  assert.equal(host.kernelVersion, Deno.osRelease());
  assert.equal(host.hostname, Deno.hostname());
  assert.match(host.bootId, /^[0-9a-f-]{36}$/);
  assert.ok(host.cpuCount > 0 && host.cpuTotalNanos > 0);
  assert.ok(host.memoryBytes > host.memoryAvailableBytes);
  assert.ok(Math.abs(Date.now() - host.bootTimeUnixMs) > 1_000);
  assert.ok(host.threadCount > 0 && host.threadLimit > host.threadCount);
  assert.deepEqual(host.disks[0], host.disks[1]);
  assert.ok((host.disks[0]?.capacityBytes ?? 0) > 0);
});

Deno.test("osImageOf() takes the pretty name out of its quotes", () => {
  assert.equal(osImageOf('ID=x\nPRETTY_NAME="Debian 12"\n'), "Debian 12");
  assert.equal(osImageOf("PRETTY_NAME='A b'"), "A b");
  assert.equal(osImageOf(""), "Linux");
});

Deno.test("cpuNanosOf() leaves out idle time and waiting", () => {
  assert.equal(
    cpuNanosOf("cpu  1 2 3 1000 1000 4 5 6 7 8\ncpu0 1"),
    210_000_000,
  );
  assert.equal(cpuNanosOf(""), 0);
});

Deno.test("diskOf() reads a line of df", () => {
  assert.deepEqual(diskOf("/dev/sd a1  100  40  50  45% /"), {
    capacityBytes: 102_400,
    usedBytes: 40_960,
    availableBytes: 51_200,
  });
  assert.equal(diskOf("df: nothing"), undefined);
});

Deno.test("pickAddresses() puts the default route's IPv4 first and leaves inner links out", () => {
  const link = (name: string, family: "IPv4" | "IPv6", address: string) =>
    ({ name, family, address }) as Deno.NetworkInterfaceInfo;
  const picked = pickAddresses([
    link("lo", "IPv4", "127.0.0.1"),
    link("wlan0", "IPv4", "10.0.0.2"),
    link("eth0", "IPv6", "fe80::1"),
    link("eth0", "IPv6", "fd00::2"),
    link("docker0", "IPv4", "172.17.0.1"),
    link("eth0", "IPv4", "192.168.1.2"),
  ], "Iface\tDestination\tGateway\neth0\t00000000\t0101A8C0\n");
  assert.deepEqual(picked, ["192.168.1.2", "10.0.0.2", "fd00::2"]);
});

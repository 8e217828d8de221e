// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../lib/shared/base/mod.ts";
import type { GrpcServerTls } from "../../lib/shared/link/mod.ts";
import { GrpcTls } from "../../lib/operator/grpc_tls.ts";
import {
  createAuthority,
  inspectCertificate,
  type KeyPair,
} from "../../lib/operator/pki/mod.ts";
import { until } from "../../dev/base/wait.ts";
import { VirtualClock } from "../shared/session/_support/virtual_clock.ts";

const DAY_MS = 86_400_000;

/** A certificate on a virtual clock, and those that the listener got. */
class TlsFixture implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly applied: GrpcServerTls[] = [];
  endpoints: string[] = [];
  /** How often the endpoints were read. */
  readCount = 0;
  failureCount = 0;
  authority: KeyPair;
  error: Error | undefined;
  readonly tls: GrpcTls;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  private constructor(authority: KeyPair) {
    this.authority = authority;
    this.tls = new GrpcTls({
      source: {
        readAuthority: () =>
          this.error
            ? (this.failureCount++, Promise.reject(this.error))
            : Promise.resolve(this.authority),
        readEndpoints: () => (this.readCount++, this.endpoints),
      },
      hostAddresses: ["10.0.0.7"],
      clock: this.clock,
      log: SILENT_LOGGER,
    });
  }

  static async create(): Promise<TlsFixture> {
    const clock = new VirtualClock();
    return new TlsFixture(
      await createAuthority({ name: "test", nowMs: clock.wallMs() }),
    );
  }

  /** Issues the first certificate and starts to renew it. */
  async start(): Promise<void> {
    await this.tls.issue();
    const listener = {
      setTls: (tls: GrpcServerTls) => void this.applied.push(tls),
    };
    this.#running = this.tls.run(listener, this.#stop.signal).catch(() => {});
  }

  /** Lets virtual time pass until the listener has got so many certificates. */
  async untilApplied(count: number): Promise<void> {
    await until(async () => {
      await this.clock.pass(600_000);
      return this.applied.length >= count;
    }, `${count} certificates`);
    assert.equal(this.applied.length, count);
  }

  /** Lets virtual time pass until the certificate was checked once more. */
  async untilChecked(): Promise<void> {
    const { readCount } = this;
    await until(async () => {
      await this.clock.pass(600_000);
      return this.readCount > readCount;
    }, "a check");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.clock.run(this.#running);
  }
}

Deno.test("issue() covers this host, loopback and each endpoint's host once", async () => {
  await using fixture = await TlsFixture.create();
  fixture.endpoints = [
    "edge.example.org:443",
    "edge.example.org:9443",
    "[fd00::5]:9443",
  ];
  const { cert } = await fixture.tls.issue();
  const { ips, dnsNames } = await inspectCertificate(cert);
  assert.deepEqual([...ips].sort(), ["10.0.0.7", "127.0.0.1", "fd00::5"]);
  assert.deepEqual([...dnsNames].sort(), ["edge.example.org", "localhost"]);
});

Deno.test("run() replaces the certificate once for a burst of changes that need it", async () => {
  await using fixture = await TlsFixture.create();
  await fixture.start();
  fixture.endpoints = ["edge.example.org:443"];
  for (let call = 0; call < 3; call++) fixture.tls.notifyChange();
  await fixture.untilApplied(1);
  const { dnsNames } = await inspectCertificate(fixture.applied[0]?.cert ?? "");
  assert.ok(dnsNames.includes("edge.example.org"));
  fixture.tls.notifyChange();
  await fixture.untilChecked();
  assert.equal(fixture.applied.length, 1);
});

Deno.test("run() renews the certificate after four fifths of its lifetime", async () => {
  await using fixture = await TlsFixture.create();
  await fixture.start();
  fixture.clock.jump(290 * DAY_MS);
  await fixture.untilChecked();
  assert.equal(fixture.applied.length, 0);
  fixture.clock.jump(3 * DAY_MS);
  await fixture.untilApplied(1);
  const facts = await inspectCertificate(fixture.applied[0]?.cert ?? "");
  const remainingMs = facts.notAfterMs - fixture.clock.wallMs();
  assert.ok(remainingMs > 355 * DAY_MS, `${remainingMs / DAY_MS} days`);
});

Deno.test("run() replaces the certificate when the CA was replaced", async () => {
  await using fixture = await TlsFixture.create();
  await fixture.start();
  fixture.authority = await createAuthority({
    name: "next",
    nowMs: fixture.clock.wallMs(),
  });
  await fixture.untilApplied(1);
});

Deno.test("run() continues after a failure", async () => {
  await using fixture = await TlsFixture.create();
  await fixture.start();
  fixture.endpoints = ["edge.example.org:443"];
  fixture.error = new Error("the API server is away");
  fixture.tls.notifyChange();
  await until(async () => {
    await fixture.clock.pass(60_000);
    return fixture.failureCount > 1;
  }, "failures");
  assert.equal(fixture.applied.length, 0);
  fixture.error = undefined;
  await fixture.untilApplied(1);
});

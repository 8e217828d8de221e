// SPDX-License-Identifier: Apache-2.0
/** Attacks as tests: each is measured by what it costs the operator and its honest users. */
import assert from "node:assert/strict";
import { withDeadline } from "../../../lib/shared/base/mod.ts";
import { print, warn } from "../../../dev/base/terminal.ts";
import { pause, until } from "../../../dev/base/wait.ts";
import {
  CompromisedDevice,
  type CompromisedDeviceOptions,
  dialOperator,
} from "./compromised_device.ts";
import type { HonestRecord } from "./honest.ts";
import { Target, type TargetOptions } from "./target.ts";
import { Wire, type WireOptions } from "./wire_client.ts";

/** Memory that one attack may cost the operator. */
const MAX_EXTRA_BYTES = 64 * 1024 * 1024;
/**
 * Memory that the operator may hold above that of the first idle one after any number of attacks:
 * the allocator keeps some of what it once needed.
 */
const MAX_TOTAL_BYTES = 128 * 1024 * 1024;
/**
 * Upper bounds of the time that an honest request takes meanwhile, and in which an honest device
 * connects, in milliseconds: generous, because attacker and operator share the machine.
 */
const MAX_REQUEST_MS = 20_000;
const MAX_RECONNECT_MS = 20_000;
/** Upper bound of what an attack makes the operator log, in bytes. */
const MAX_LOG_BYTES = 256 * 1024;
/** Sockets above those of the idle operator that may stay; the API server opens more or less. */
const SPARE_SOCKET_COUNT = 12;
const SAMPLE_INTERVAL_MS = 100;
const SETTLE_TIMEOUT_MS = 30_000;
const DURATION_MS = 2_500;
const TIMEOUT_MS = 60_000;

/** Options of {@linkcode attack}. */
export interface AttackOptions {
  /** How long it runs unless the operator ends it, in milliseconds. @default 2500 */
  durationMs?: number;
  /** Memory that it may cost the operator. @default 64 MiB */
  maxExtraBytes?: number;
}

/** Options of {@linkcode Attacker.connectDevice}. */
export interface ConnectDeviceOptions
  extends Omit<CompromisedDeviceOptions, "config"> {
  /** Which of the compromised devices it is. @default 0 */
  index?: number;
}

/** Options of {@linkcode Attacker.flood}. */
export interface FloodOptions {
  to: WireOptions;
  /** Sent once on each connection. @default nothing */
  first?: Uint8Array;
  /** Sent again and again. */
  bytes: Uint8Array | (() => Uint8Array);
  /** Whether answers are read. @default true */
  reads?: boolean;
  /** Connections at the same time. @default 2 */
  lanes?: number;
}

/** What an attack uses. Everything that it opens is closed when it is over. */
export class Attacker {
  readonly target: Target;
  /** Highest number of the operator's sockets so far. */
  peakSocketCount = 0;
  readonly #wires = new Set<Wire>();
  readonly #devices = new Set<CompromisedDevice>();
  readonly #durationMs: number;
  #endMs: number;
  readonly #closes: (() => void)[] = [];
  #isClosed = false;

  constructor(target: Target, durationMs: number) {
    this.target = target;
    this.#durationMs = durationMs;
    this.#endMs = performance.now() + durationMs;
  }

  /** Lets the time begin now, when the preparations of the attack are done. */
  begin(): void {
    this.#endMs = performance.now() + this.#durationMs;
  }

  /** Whether it has run long enough. */
  get isOver(): boolean {
    return this.#isClosed || performance.now() >= this.#endMs;
  }

  /**
   * Calls the function again and again, on several lanes, until the attack is over, whose time
   * begins now.
   */
  async repeat(
    work: () => Promise<unknown>,
    { lanes = 1 }: { lanes?: number } = {},
  ): Promise<number> {
    this.begin();
    let count = 0;
    await Promise.all(Array.from({ length: lanes }, async () => {
      while (!this.isOver) {
        await work();
        count++;
        // Lets timers run, also when nothing has to be waited for.
        if (count % 64 === 0) await pause(0);
      }
    }));
    return count;
  }

  /**
   * Sends the same bytes on connections until the operator ends each, and begins again. Returns
   * what was sent, and how often the operator ended a connection.
   */
  async flood(
    { to, first = new Uint8Array(0), bytes, reads = true, lanes = 2 }:
      FloodOptions,
  ): Promise<string> {
    let closedCount = 0;
    let sentBytes = 0;
    await this.repeat(async () => {
      const wire = await this.connect(to);
      if (!wire) return await pause(10);
      if (reads) wire.read();
      await wire.write(first);
      while (!this.isOver) {
        const part = typeof bytes === "function" ? bytes() : bytes;
        sentBytes += part.length;
        if (!await this.untilOver(wire.write(part))) break;
      }
      if (!this.isOver) closedCount++;
      wire.close();
    }, { lanes });
    assert.ok(sentBytes > 0, "nothing was sent");
    return `${toMebibytes(sentBytes)} MiB sent, closed ${closedCount} times`;
  }

  /**
   * Sends the same bytes one at a time on many connections (slow loris). Returns the number of
   * connections.
   */
  async trickle(
    { to, bytes, pauseMs, lanes }: {
      to: WireOptions;
      bytes: Uint8Array;
      /** After each byte. */
      pauseMs: number;
      /** Connections at the same time. */
      lanes: number;
    },
  ): Promise<number> {
    let count = 0;
    await this.repeat(async () => {
      const wire = await this.connect(to);
      if (!wire) return await pause(10);
      count++;
      wire.read();
      for (
        let at = 0;
        at < bytes.length && wire.isOpen && !this.isOver;
        at++
      ) {
        await wire.write(bytes.subarray(at, at + 1));
        await pause(pauseMs);
      }
    }, { lanes });
    return count;
  }

  /** Waits for something that may never come; undefined when the attack is over before. */
  async untilOver<T>(
    work: Promise<T> = new Promise(() => {}),
  ): Promise<T | undefined> {
    let isSettled = false;
    const over = (async () => {
      while (!this.isOver && !isSettled) await pause(50);
      return undefined;
    })();
    try {
      return await Promise.race([work, over]);
    } finally {
      isSettled = true;
    }
  }

  /** Opens a connection; undefined when the operator refused it. */
  async connect(options: WireOptions): Promise<Wire | undefined> {
    const wire = await Wire.open(options);
    if (!wire) return undefined;
    this.#wires.add(wire);
    void wire.closed.then(() => this.#wires.delete(wire));
    if (this.#isClosed) wire.close();
    return wire;
  }

  /** Opens a connection that must be possible. */
  async mustConnect(options: WireOptions): Promise<Wire> {
    return await until(() => this.connect(options), {
      what: "a connection of the attacker",
      timeoutMs: 15_000,
    });
  }

  /** Where the gRPC listener is, seen from another network than that of the honest devices. */
  get grpc(): WireOptions {
    const { operator, compromised: [{ ca = "" }] } = this.target;
    return {
      host: "127.0.0.1",
      port: operator.grpcPort,
      tls: {
        serverName: operator.apiserver.machine.address,
        ca,
        alpn: ["h2"],
      },
    };
  }

  /** The same without TLS. */
  get grpcPlain(): WireOptions {
    return { host: "127.0.0.1", port: this.target.operator.grpcPort };
  }

  /** Connects with the credential of a compromised device. */
  async connectDevice(
    { index = 0, ...options }: ConnectDeviceOptions = {},
  ): Promise<CompromisedDevice> {
    const config = this.target.compromised[index];
    assert.ok(config, `no compromised device ${index}`);
    const device = await until(
      () => CompromisedDevice.connect({ ...options, config }),
      { what: "a link of the compromised device", timeoutMs: 40_000 },
    );
    this.#devices.add(device);
    void device.closed.then(() => this.#devices.delete(device));
    return device;
  }

  /** Opens a link without a handshake; it is closed with the attack. */
  async dial(): Promise<Awaited<ReturnType<typeof dialOperator>>> {
    const link = await dialOperator(this.target.compromised[0]);
    this.#closes.push(() => link.close("the attack is over"));
    return link;
  }

  /** Waits until the operator has closed the connection. */
  async untilClosed(wire: Wire, timeoutMs = 15_000): Promise<void> {
    await withDeadline(() => wire.read().closed, {
      timeoutMs,
      action: "Cannot observe the end of the attacker's connection",
    });
  }

  /** Closes everything. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const wire of this.#wires) wire.close();
    const devices = [...this.#devices];
    for (const device of devices) device.close();
    for (const close of this.#closes) close();
    await Promise.all(devices.map(({ closed }) => closed));
  }
}

let target: Target | undefined;
let hasFailed = false;

/** Starts the operator before the attacks of a file, and stops it after them. */
export function useTarget(options: TargetOptions = {}): void {
  Deno.test.beforeAll(async () => {
    target = await Target.start(options);
    print(
      `idle: ${
        toMebibytes(target.idleBytes)
      } MiB, ${target.idleSocketCount} sockets`,
    );
  });
  Deno.test.afterAll(async () => {
    if (hasFailed && target) warn(`logs are kept in ${target.keepLogs()}`);
    await target?.[Symbol.asyncDispose]();
  });
}

/**
 * Registers a test that attacks the operator, and checks that its memory stays bounded, that honest
 * requests are served, that no honest link ends, and that the attack's connections are released.
 * The function may return what ended the attack, for the table in docs/hostile-peers.md.
 */
export function attack(
  title: string,
  work: (attacker: Attacker) => Promise<string | void>,
  { durationMs = DURATION_MS, maxExtraBytes = MAX_EXTRA_BYTES }: AttackOptions =
    {},
): void {
  Deno.test({
    name: title,
    // Programs that run since before the test report meanwhile; Attacker closes what it opens.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      assert.ok(target, "the operator did not start");
      try {
        await withDeadline(
          () =>
            run(title, {
              work,
              durationMs,
              maxExtraBytes,
              on: target as Target,
            }),
          {
            timeoutMs: durationMs + 150_000,
            action: `Cannot finish attack "${title}"`,
          },
        );
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    },
  });
}

async function run(
  title: string,
  { work, durationMs, maxExtraBytes, on }: {
    work: (attacker: Attacker) => Promise<string | void>;
    durationMs: number;
    maxExtraBytes: number;
    on: Target;
  },
): Promise<void> {
  const logStart = (await Deno.stat(on.operator.log)).size;
  const startBytes = await on.operator.residentBytes();
  await resetPeak(on.pid);
  const fromMs = Date.now();
  const attacker = new Attacker(on, durationMs);
  const sampling = new AbortController();
  const samples = sample(attacker, sampling.signal);
  let ending: string | void;
  let records: HonestRecord[];
  let peakBytes: number;
  try {
    ending = await withDeadline(() => work(attacker), {
      timeoutMs: durationMs + TIMEOUT_MS,
      action: `Cannot finish attack "${title}"`,
    });
  } finally {
    await attacker.close();
    records = await on.honest.readUntil({ fromMs, untilMs: Date.now() })
      .finally(() => sampling.abort());
    peakBytes = Math.max(await samples, await readPeak(on.pid));
  }
  const extraBytes = peakBytes - startBytes;
  const totalBytes = peakBytes - on.idleBytes;
  const slowest = Math.max(...timesOf(records, "request"));
  const reconnect = Math.max(...timesOf(records, "reconnect"));
  const log = (await Deno.readFile(on.operator.log)).subarray(logStart);
  print(
    `    | ${title} | ${toMebibytes(extraBytes)} | ${
      toMebibytes(totalBytes)
    } | ${slowest} ms | ${reconnect} ms | ${
      ending ?? ""
    } | sockets ${attacker.peakSocketCount} | log ${log.length} |`,
  );
  assert.ok(
    extraBytes <= maxExtraBytes,
    `the operator needs ${toMebibytes(extraBytes)} MiB more than before`,
  );
  assert.ok(
    totalBytes <= Math.max(MAX_TOTAL_BYTES, maxExtraBytes),
    `the operator needs ${toMebibytes(totalBytes)} MiB more than when idle`,
  );
  checkHonest(records);
  assert.ok(log.length <= MAX_LOG_BYTES, `${log.length} bytes of log`);
  assert.ok(!log.includes(0x1b), "the log has a terminal escape");
  await until(
    async () =>
      await on.socketCount() <= on.idleSocketCount + SPARE_SOCKET_COUNT,
    {
      what: `the release of the attack's sockets`,
      timeoutMs: SETTLE_TIMEOUT_MS,
      detail: async () =>
        `${await on.socketCount()} sockets, idle ${on.idleSocketCount}`,
    },
  );
}

function checkHonest(records: HonestRecord[]): void {
  const reconnecting = "edge-reconnecting";
  const bad = records.filter((one) =>
    one.kind === "request"
      ? one.error !== undefined || one.ms > MAX_REQUEST_MS
      : one.kind === "reconnect"
      ? one.error !== undefined || one.ms > MAX_RECONNECT_MS
      : one.kind !== "up" && one.device !== reconnecting
  );
  assert.deepEqual(bad, []);
  assert.ok(timesOf(records, "request").length >= 3, "too few honest requests");
}

function timesOf(
  records: HonestRecord[],
  kind: "request" | "reconnect",
): number[] {
  return records.flatMap((one) =>
    one.kind === kind && "ms" in one ? [one.ms] : []
  );
}

/** Makes the kernel count the peak of resident memory from now on. */
async function resetPeak(pid: number): Promise<void> {
  await Deno.writeTextFile(`/proc/${pid}/clear_refs`, "5").catch(() => {});
}

async function readPeak(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(status.match(/VmHWM:\s+(\d+)/)?.[1] ?? 0) * 1024;
}

/** Returns the highest resident memory, and notes the highest number of sockets. */
async function sample(
  attacker: Attacker,
  signal: AbortSignal,
): Promise<number> {
  const { target } = attacker;
  let peakBytes = 0;
  while (!signal.aborted) {
    peakBytes = Math.max(peakBytes, await target.operator.residentBytes());
    attacker.peakSocketCount = Math.max(
      attacker.peakSocketCount,
      await target.socketCount(),
    );
    await pause(SAMPLE_INTERVAL_MS);
  }
  return peakBytes;
}

function toMebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

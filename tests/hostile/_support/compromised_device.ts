// SPDX-License-Identifier: Apache-2.0
/** A device whose credential an attacker has: it is authenticated, and keeps to no other rule. */
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import type { AgentConfig } from "../../../lib/shared/config/mod.ts";
import { createGrpcDialer, type Link } from "../../../lib/shared/link/mod.ts";
import { initiateHandshake } from "../../../lib/shared/noise/mod.ts";
import {
  createSession,
  greetAsAgent,
} from "../../../lib/shared/session/mod.ts";
import {
  AcksSchema,
  create,
  decodeEnvelope,
  encodeEnvelope,
  encodeMessage,
  type Envelope,
  EnvelopeKind,
  type Method,
  OpenSchema,
  StreamPointSchema,
} from "../../../lib/shared/wire/mod.ts";

const CONNECT_TIMEOUT_MS = 30_000;

/** Options of {@linkcode CompromisedDevice.connect}. */
export interface CompromisedDeviceOptions {
  config: AgentConfig;
  /** Changes what is sent on the connection: each frame becomes those that it returns. */
  tamper?: (frame: Uint8Array) => Uint8Array[];
  /** Whether it reads what the operator sends. @default true */
  reads?: boolean;
  /** Called for each envelope of the operator. */
  onEnvelope?: (envelope: Envelope) => void;
  /**
   * Whether it acknowledges what it reads to the link, so that more comes, but to no stream: what
   * was sent has to be kept.
   * @default false
   */
  acknowledgesLink?: boolean;
  /** Whether it acknowledges what it reads as an agent does, at once. @default false */
  acknowledges?: boolean;
  /** Number of streams that its Hello pretends to know. @default 0 */
  pointCount?: number;
}

/** Opens a link that carries no handshake yet. @throws {AranyaError} as a dialer */
export function dialOperator(config: AgentConfig): Promise<Link> {
  const { endpoints: [endpoint = ""], ca = "" } = config;
  return createGrpcDialer({ endpoint, ca, log: SILENT_LOGGER })
    .dial({ signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
}

/** One welcomed link of the device. */
export class CompromisedDevice {
  readonly #raw: Link;
  readonly #link: Link;
  #nextStream = 2;
  isOpen = true;
  /** Why the link ended. */
  readonly closed: Promise<string>;

  private constructor(raw: Link, link: Link) {
    this.#raw = raw;
    this.#link = link;
    this.closed = raw.closed.then(({ reason }) => {
      this.isOpen = false;
      return reason;
    });
  }

  /** Connects and is welcomed. @throws {AranyaError} as handshake and greeting */
  static async connect(
    { config, tamper, reads = true, pointCount = 0, ...options }:
      CompromisedDeviceOptions,
  ): Promise<CompromisedDevice> {
    const raw = await dialOperator(config);
    const { device, credential: key } = config;
    const link = await initiateHandshake(tamper ? tampered(raw, tamper) : raw, {
      device,
      key,
      timeoutMs: CONNECT_TIMEOUT_MS,
    });
    const session = createSession({
      side: "agent",
      log: SILENT_LOGGER,
      handlers: {
        request: () => Promise.resolve(new Uint8Array(0)),
        stream: () => Promise.resolve(),
      },
    });
    const points = Array.from(
      { length: pointCount },
      () => create(StreamPointSchema),
    );
    await greetAsAgent(link, {
      session: Object.assign(session, { resumePoints: () => points }),
      capabilities: [],
      agentVersion: "0.0.0",
      machineId: "compromised",
      bootId: "compromised",
      timeoutMs: CONNECT_TIMEOUT_MS,
    });
    await session.close();
    const connected = new CompromisedDevice(raw, link);
    if (reads) void connected.#read(options);
    return connected;
  }

  /** Sends bytes as one packet; returns false when the link has ended. */
  async sendPacket(packet: Uint8Array): Promise<boolean> {
    try {
      await this.#link.send(packet);
      return this.isOpen;
    } catch {
      return false;
    }
  }

  /** Sends an envelope; returns false when the link has ended. */
  send(
    { kind, stream = 0, sequence = 0, complete = true, payload }:
      & Partial<Envelope>
      & { kind: number },
  ): Promise<boolean> {
    return this.sendPacket(encodeEnvelope({
      kind,
      stream,
      sequence,
      complete,
      payload: payload ?? new Uint8Array(0),
    }));
  }

  /** Returns the number of a new stream; streams have to be opened in their order. */
  takeStreamId(): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    return stream;
  }

  /** Opens a stream with a request, in as many packets as it needs. */
  async request(method: Method, request: Uint8Array): Promise<boolean> {
    const stream = this.takeStreamId();
    const open = encodeMessage(OpenSchema, { method, request });
    let sequence = 0;
    for (let at = 0; at === 0 || at < open.length; at += 32_768) {
      const payload = open.subarray(at, at + 32_768);
      const complete = at + 32_768 >= open.length;
      const isSent = await this.send({
        kind: EnvelopeKind.OPEN,
        stream,
        sequence,
        complete,
        payload,
      });
      if (!isSent) return false;
      sequence += 1 + payload.length;
    }
    return true;
  }

  /** Ends the link without a word. */
  close(): void {
    this.#raw.close("the attack is over");
  }

  async #read(
    { onEnvelope = () => {}, acknowledges = false, acknowledgesLink = false }:
      Pick<
        CompromisedDeviceOptions,
        "onEnvelope" | "acknowledges" | "acknowledgesLink"
      >,
  ): Promise<void> {
    const packets = this.#link.packets[Symbol.asyncIterator]();
    let linkBytes = 0;
    for (;;) {
      const { done, value } = await packets.next();
      if (done) return;
      const envelope = decodeEnvelope(value);
      onEnvelope(envelope);
      if (envelope.stream === 0 && envelope.kind !== EnvelopeKind.PART) {
        continue;
      }
      linkBytes += value.length;
      if (!acknowledgesLink && !acknowledges) continue;
      const { stream, sequence, payload: { length } } = envelope;
      const received = BigInt(sequence + 1 + length);
      const credit = received + 4n * 1024n * 1024n;
      const payload = encodeMessage(AcksSchema, {
        linkBytes: BigInt(linkBytes),
        points: acknowledges ? [{ stream, received, credit }] : [],
      });
      void this.send({ kind: EnvelopeKind.ACK, payload });
    }
  }
}

function tampered(
  link: Link,
  tamper: (frame: Uint8Array) => Uint8Array[],
): Link {
  return {
    peer: link.peer,
    maxPacketBytes: link.maxPacketBytes,
    isExclusive: link.isExclusive,
    packets: link.packets,
    closed: link.closed,
    send: async (frame) => {
      for (const one of tamper(frame)) await link.send(one);
    },
    close: (reason) => link.close(reason),
    markAuthenticated: () => link.markAuthenticated(),
  };
}

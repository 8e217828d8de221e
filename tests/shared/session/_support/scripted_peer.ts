// SPDX-License-Identifier: Apache-2.0
/** An agent that does not keep to the protocol. */
import type { AranyaError, Clock } from "../../../../lib/shared/base/mod.ts";
import type { Link, LinkEnd } from "../../../../lib/shared/link/mod.ts";
import {
  greetAsOperator,
  type Session,
} from "../../../../lib/shared/session/mod.ts";
import {
  AcksSchema,
  decodeEnvelope,
  encodeControl,
  encodeEnvelope,
  encodeMessage,
  type Envelope,
  EnvelopeKind,
  HelloSchema,
  type Method,
  OpenSchema,
} from "../../../../lib/shared/wire/mod.ts";
import { Pipe } from "../../../../dev/base/pipe.ts";

/** Options of {@linkcode ScriptedPeer.connect}. */
export interface ScriptedPeerOptions {
  clock: Clock;
  /** Names the process of the peer. @default a random one */
  instanceId?: Uint8Array;
  /** The operator's process that the peer knows. @default none */
  peerInstanceId?: Uint8Array;
  /** @default 65536 */
  maxPacketBytes?: number;
}

/** Stands for the agent at the other end of an operator's session; the test sends each packet. */
export class ScriptedPeer {
  /** Everything that the session has sent, PARTs as they are. */
  readonly received: Envelope[] = [];
  /** While false, the session's sends stay pending. */
  isReading = true;
  /** While set, the session's sends fail with it. */
  sendError: AranyaError | undefined;
  /** Whether the session's streams continue. */
  isResumed = false;
  /** Resolves when `run` has returned. */
  ended: Promise<LinkEnd> = Promise.resolve({ reason: "" });
  readonly #toSession = new Pipe<Uint8Array>({ capacity: Infinity });
  readonly #closed = Promise.withResolvers<LinkEnd>();
  #sequences = new Map<number, number>();
  #pending: (() => void)[] = [];

  /** Greets the session and lets it run. */
  static async connect(
    session: Session,
    options: ScriptedPeerOptions,
  ): Promise<ScriptedPeer> {
    const peer = new ScriptedPeer();
    const { clock, maxPacketBytes = 65_536 } = options;
    peer.sendPacket(encodeControl(
      EnvelopeKind.HELLO,
      encodeMessage(HelloSchema, {
        protocolVersion: 1,
        machineId: "m",
        instanceId: options.instanceId ??
          crypto.getRandomValues(new Uint8Array(16)),
        peerInstanceId: options.peerInstanceId ?? new Uint8Array(0),
      }),
    ));
    const link = peer.#createLink(maxPacketBytes);
    const greeting = await greetAsOperator(link, {
      clock,
      decide: () => ({
        session,
        capabilities: [],
        operatorVersion: "0.1.0",
        offlineAfterMs: 40_000,
      }),
    });
    peer.isResumed = greeting.welcome.resumed;
    peer.ended = session.run(link, greeting);
    return peer;
  }

  /** Sends bytes as one packet. */
  sendPacket(packet: Uint8Array): void {
    void this.#toSession.write(packet);
  }

  /** Sends an envelope; without a sequence, the next one of its stream. */
  send(
    { kind, stream = 0, sequence, complete = true, payload }:
      & Partial<Envelope>
      & { kind: number },
  ): void {
    const bytes = payload ?? new Uint8Array(0);
    const position = sequence ?? this.#sequences.get(stream) ?? 0;
    this.#sequences.set(stream, position + 1 + bytes.length);
    this.sendPacket(encodeEnvelope({
      kind,
      stream,
      sequence: stream === 0 ? 0 : position,
      complete,
      payload: bytes,
    }));
  }

  /** Opens a stream with a complete OPEN. */
  open(
    stream: number,
    method: Method,
    request: Uint8Array = new Uint8Array(0),
  ): void {
    this.send({
      kind: EnvelopeKind.OPEN,
      stream,
      payload: encodeMessage(OpenSchema, { method, request }),
    });
  }

  /** Acknowledges all bytes of the link, and grants credit without limit. */
  acknowledgeLink(
    options: { stream?: number; channel?: number; received?: number } = {},
  ): void {
    const { stream, channel = 0, received = 0 } = options;
    const unlimited = BigInt(Number.MAX_SAFE_INTEGER);
    const bytes = this.received.filter(({ stream, kind }) =>
      stream !== 0 || kind === EnvelopeKind.PART
    ).reduce((sum, envelope) => sum + encodeEnvelope(envelope).length, 0);
    this.send({
      kind: EnvelopeKind.ACK,
      payload: encodeMessage(AcksSchema, {
        linkBytes: BigInt(bytes),
        points: stream === undefined ? [] : [{
          stream,
          received: BigInt(received),
          credit: unlimited,
          channels: [{ channel, credit: unlimited }],
        }],
      }),
    });
  }

  /** Returns what was received of one kind. */
  receivedOf(kind: EnvelopeKind): Envelope[] {
    return this.received.filter((envelope) => envelope.kind === kind);
  }

  /** Reads on: pending sends of the session resolve. */
  read(): void {
    this.isReading = true;
    for (const resolve of this.#pending.splice(0)) resolve();
  }

  /** Breaks the link. */
  cut(error?: AranyaError): void {
    this.#toSession.end();
    this.#closed.resolve({ reason: "cut", ...error && { error } });
  }

  #createLink(maxPacketBytes: number): Link {
    return {
      peer: "agent.test",
      maxPacketBytes,
      isExclusive: true,
      packets: this.#toSession.readable,
      closed: this.#closed.promise,
      send: (packet) => this.#onPacket(packet),
      close: (reason) => {
        this.#toSession.end();
        this.#closed.resolve({ reason });
      },
      markAuthenticated() {},
    };
  }

  async #onPacket(packet: Uint8Array): Promise<void> {
    if (this.sendError) throw this.sendError;
    if (!this.isReading) {
      await new Promise<void>((resolve) => this.#pending.push(resolve));
    }
    this.received.push(decodeEnvelope(packet));
  }
}

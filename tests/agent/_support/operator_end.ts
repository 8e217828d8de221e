// SPDX-License-Identifier: Apache-2.0
/** The operator's end of a link as an agent meets it: real listener, handshake and session, and a book of what the device tells. */
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import { type Link, listenGrpc } from "../../../lib/shared/link/mod.ts";
import { respondToHandshake } from "../../../lib/shared/noise/mod.ts";
import {
  createSession,
  greetAsOperator,
  type Greeting,
  type GreetingDecision,
  type Session,
} from "../../../lib/shared/session/mod.ts";
import {
  BlobsSchema,
  decodeMessage,
  encodeMessage,
  type Event,
  EventListSchema,
  type Facts,
  FactsSchema,
  FetchBlobsSchema,
  Method,
  type PodStatus,
  PodStatusListSchema,
} from "../../../lib/shared/wire/mod.ts";

/** See the file's head. */
export class OperatorEnd implements AsyncDisposable {
  keys: { key: Uint8Array; previousKey?: Uint8Array };
  /** Answers instead of a welcome. */
  decide: (() => GreetingDecision) | undefined;
  readonly facts: Facts[] = [];
  readonly statuses = new Map<string, PodStatus>();
  readonly events: Event[] = [];
  readonly greetings: Greeting[] = [];
  readonly blobs = new Map<string, Uint8Array>();
  session: Session;
  endpoint = "";
  #link: Link | undefined;
  #close: () => Promise<void> = () => Promise.resolve();

  private constructor(key: Uint8Array) {
    this.keys = { key };
    this.session = this.#newSession();
  }

  static async start(
    { key, port = 0 }: { key: Uint8Array; port?: number },
  ): Promise<OperatorEnd> {
    const end = new OperatorEnd(key);
    const listener = await listenGrpc({
      host: "127.0.0.1",
      port,
      tls: "insecure",
      log: SILENT_LOGGER,
    });
    end.endpoint = `127.0.0.1:${listener.address.port}`;
    const serving = (async () => {
      for await (const link of listener.links) void end.#serve(link);
    })();
    end.#close = async () => {
      await end.session.close();
      await listener[Symbol.asyncDispose]();
      await serving;
    };
    return end;
  }

  /** Forgets everything as a new process would. */
  async renewSession(): Promise<void> {
    await this.session.close();
    this.session = this.#newSession();
  }

  /** Breaks the link, as a lost network does. */
  cut(): void {
    this.#link?.close("cut");
  }

  /** Waits until this is so. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`never: ${what}`);
      await SYSTEM_CLOCK.sleep(5);
    }
  }

  connected(): Promise<void> {
    return this.until("connected", () => this.session.connected);
  }

  request(
    method: Method,
    payload: Uint8Array = new Uint8Array(),
  ): Promise<Uint8Array> {
    return this.session.request(method, payload, { timeoutMs: 10_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #serve(raw: Link): Promise<void> {
    try {
      const { link } = await respondToHandshake(raw, {
        findKeys: (device) =>
          Promise.resolve(device === "edge-1" ? this.keys : undefined),
      });
      const greeting = await greetAsOperator(link, {
        decide: () =>
          this.decide?.() ?? {
            session: this.session,
            capabilities: [],
            operatorVersion: "test",
            offlineAfterMs: 40_000,
          },
      });
      this.#link = link;
      this.greetings.push(greeting);
      await this.session.run(link, greeting);
    } catch {
      raw.close("refused");
    }
  }

  #newSession(): Session {
    return createSession({
      side: "operator",
      log: SILENT_LOGGER,
      handlers: {
        request: (method, payload) =>
          Promise.resolve(this.#answer(method, payload)),
        stream: () => Promise.reject(new Error("unexpected stream")),
      },
    });
  }

  #answer(method: Method, payload: Uint8Array): Uint8Array {
    switch (method) {
      case Method.REPORT_FACTS:
        this.facts.push(decodeMessage(FactsSchema, payload));
        break;
      case Method.REPORT_PODS:
        for (const pod of decodeMessage(PodStatusListSchema, payload).pods) {
          this.statuses.set(pod.uid, pod);
        }
        break;
      case Method.REPORT_EVENTS:
        this.events.push(...decodeMessage(EventListSchema, payload).events);
        break;
      case Method.FETCH_BLOBS:
        return encodeMessage(BlobsSchema, {
          contents: decodeMessage(FetchBlobsSchema, payload).sha256.map(
            (hash) => this.blobs.get(hash) ?? new Uint8Array(),
          ),
        });
    }
    return new Uint8Array();
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The operator's end of the link: a real listener, handshake and session. */
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
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
import { until } from "../../../dev/base/wait.ts";

const REQUEST_TIMEOUT_MS = 30_000;

/** Serves the device "edge-1" and records what it reports. */
export class TestOperator implements AsyncDisposable {
  /** Credentials of the device; may be replaced. */
  keys: { key: Uint8Array; previousKey?: Uint8Array };
  /** Sent instead of a Welcome. */
  decide: (() => GreetingDecision) | undefined;
  readonly facts: Facts[] = [];
  /** Last reported status, by pod UID. */
  readonly statuses = new Map<string, PodStatus>();
  readonly events: Event[] = [];
  readonly greetings: Greeting[] = [];
  /** Contents that the device may fetch, by hash. */
  readonly blobs = new Map<string, Uint8Array>();
  session: Session;
  /** Where it listens, "host:port". */
  endpoint = "";
  #link: Link | undefined;
  #close: () => Promise<void> = () => Promise.resolve();

  private constructor(key: Uint8Array) {
    this.keys = { key };
    this.session = this.#createSession();
  }

  static async start(
    { key, port = 0 }: { key: Uint8Array; port?: number },
  ): Promise<TestOperator> {
    const operator = new TestOperator(key);
    const listener = await listenGrpc({
      host: "127.0.0.1",
      port,
      tls: "insecure",
      log: SILENT_LOGGER,
    });
    operator.endpoint = `127.0.0.1:${listener.address.port}`;
    const serving = (async () => {
      for await (const link of listener.links) void operator.#serve(link);
    })();
    operator.#close = async () => {
      await operator.session.close();
      await listener[Symbol.asyncDispose]();
      await serving;
    };
    return operator;
  }

  /** Replaces the session, as a restart of the operator does. */
  async renewSession(): Promise<void> {
    await this.session.close();
    this.session = this.#createSession();
  }

  /** Closes the link, as a network failure does. */
  cutLink(): void {
    this.#link?.close("cut");
  }

  /** Resolves when the session runs on a link. */
  async waitForLink(): Promise<void> {
    await until(() => this.session.connected, "a link");
  }

  request(
    method: Method,
    payload: Uint8Array = new Uint8Array(),
  ): Promise<Uint8Array> {
    return this.session.request(method, payload, {
      timeoutMs: REQUEST_TIMEOUT_MS,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #serve(rawLink: Link): Promise<void> {
    try {
      const { link } = await respondToHandshake(rawLink, {
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
      rawLink.close("refused");
    }
  }

  #createSession(): Session {
    return createSession({
      side: "operator",
      log: SILENT_LOGGER,
      handlers: {
        request: (method, payload) =>
          Promise.resolve(this.#respond(method, payload)),
        stream: () => Promise.reject(new Error("unexpected stream")),
      },
    });
  }

  #respond(method: Method, payload: Uint8Array): Uint8Array {
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

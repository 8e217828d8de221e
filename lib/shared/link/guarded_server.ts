// SPDX-License-Identifier: Apache-2.0
/** A gRPC server with corrections of grpc-js 1.14 that the library has no option for. */
import { type Metadata, Server, type ServerOptions } from "@grpc/grpc-js";
import { toPeer } from "../guard/mod.ts";

/** Private method of the library that handles one HTTP/2 stream. */
const STREAM_HANDLER = "_streamHandler";
/** Private method of the library that creates the HTTP/2 server. */
const HTTP2_FACTORY = "createHttp2Server";
/** Header that is set here, so that a call can be traced back to its HTTP/2 stream. */
const STREAM_ID_HEADER = "x-aranya-stream";
/** Header with the compression of messages. */
const ENCODING_HEADER = "grpc-encoding";
/** RFC 9113 section 7. */
const REFUSED_STREAM = 7;
const CANCEL = 8;

/** One HTTP/2 stream of a client. */
export interface ServerStream {
  /** "address:port", in the form of grpc-js' `getPeer`. */
  readonly peer: string;
  /** Ends the stream at once, in both directions. May be called twice. */
  reset(): void;
  /** Calls the listener once, when the stream has ended for whatever reason, or at once. */
  onClosed(listener: () => void): void;
}

/** Options of {@linkcode GuardedServer}. */
export interface GuardedServerOptions {
  /** Receives what a request made the library throw. */
  onError: (error: unknown) => void;
  /**
   * Is called for each stream, before the library handles it. Returns whether it is admitted; a
   * refused stream costs no more than this call.
   */
  admit: (stream: ServerStream) => boolean;
  /** Flow-control window of each call and of its connection, in bytes. */
  windowBytes: number;
}

/**
 * A gRPC server that no request can crash, whose streams can be refused and reset, with larger
 * flow-control windows.
 *
 * grpc-js answers a request that is not gRPC, or asks for another method, without checking that its
 * stream is still open. When the peer has already reset it, that throws out of an event listener,
 * where it can't be caught: one unauthenticated client would end the operator. The library's
 * handler is therefore replaced by one that catches.
 *
 * grpc-js also never resets a stream whose client doesn't end it, inflates compressed messages
 * before anybody looks at them, and lets a client choose its HTTP/2 windows, but not a server; this
 * class corrects all three.
 */
export class GuardedServer {
  /** The library's server. */
  readonly grpc: Server;
  readonly #options: GuardedServerOptions;
  readonly #streams = new Map<string, ServerStream>();
  #streamCount = 0;

  /** @throws {TypeError} when the library has no such private methods */
  constructor(serverOptions: ServerOptions, options: GuardedServerOptions) {
    const server = new Server(serverOptions);
    this.grpc = server;
    this.#options = options;
    const handleStream = getMethod(server, STREAM_HANDLER);
    const createHttp2 = getMethod(server, HTTP2_FACTORY);
    Object.defineProperty(server, HTTP2_FACTORY, {
      value: (...parameters: unknown[]) => {
        const http2 = createHttp2.apply(server, parameters) as Http2Server;
        http2.on(
          "session",
          (session) => setWindows(session, options.windowBytes),
        );
        return http2;
      },
    });
    Object.defineProperty(server, STREAM_HANDLER, {
      value: (interceptors: unknown, stream: Http2Stream, headers: Headers) => {
        try {
          if (!this.#admit(stream, headers)) return;
          handleStream.call(server, interceptors, stream, headers);
        } catch (error) {
          options.onError(error);
        }
      },
    });
  }

  /** Returns the stream of a call by the call's metadata; undefined when it has ended. */
  findStream(metadata: Metadata): ServerStream | undefined {
    return this.#streams.get(String(metadata.get(STREAM_ID_HEADER)[0]));
  }

  /** Registers an admitted stream and prepares its headers for the library. */
  #admit(stream: Http2Stream, headers: Headers): boolean {
    // Without a listener an error of the stream would end the process.
    stream.on("error", () => {});
    const admitted: ServerStream = {
      peer: toPeer(stream.session?.socket ?? {}),
      reset: () => stream.close(CANCEL),
      onClosed: (listener) => {
        if (stream.closed && stream.destroyed) listener();
        else stream.once("close", listener);
      },
    };
    if (!this.#options.admit(admitted)) {
      const { session } = stream;
      // Of a connection that was destroyed, the requests that have arrived would still be handled.
      if (session?.socket?.destroyed === true) session.destroy();
      else stream.close(REFUSED_STREAM);
      return false;
    }
    const id = String(++this.#streamCount);
    this.#streams.set(id, admitted);
    stream.once("close", () => this.#streams.delete(id));
    headers[STREAM_ID_HEADER] = id;
    // Without an encoding the library takes compressed messages as they are.
    delete headers[ENCODING_HEADER];
    return true;
  }
}

type Method = (...parameters: unknown[]) => unknown;
type Headers = Record<string, unknown>;

/** The part of node:http2's server that is used here. */
interface Http2Server {
  on(event: "session", listener: (session: Http2Session) => void): unknown;
}

interface Http2Session {
  settings(settings: { initialWindowSize: number }): void;
  setLocalWindowSize(byteCount: number): void;
  readonly socket?: {
    readonly destroyed: boolean;
    remoteAddress?: string;
    remotePort?: number;
  };
  destroy(): void;
}

interface Http2Stream {
  readonly session?: Http2Session;
  readonly closed: boolean;
  readonly destroyed: boolean;
  close(code: number): void;
  on(event: "error", listener: () => void): unknown;
  once(event: "close", listener: () => void): unknown;
}

function getMethod(server: Server, name: string): Method {
  const method: unknown = Reflect.get(server, name);
  if (typeof method === "function") return method as Method;
  throw new TypeError(
    `Cannot guard gRPC server: the library has no method "${name}"`,
  );
}

function setWindows(session: Http2Session, windowBytes: number): void {
  session.settings({ initialWindowSize: windowBytes });
  session.setLocalWindowSize(windowBytes);
}

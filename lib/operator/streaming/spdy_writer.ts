// SPDX-License-Identifier: Apache-2.0
/** Writing SPDY frames to a socket. */
import type { Socket } from "node:net";
import {
  type EncodableFrame,
  encodeDataHeader,
  encodeFrame,
} from "./spdy_frames.ts";

/** Upper bound of control frames that wait in the socket's buffer. */
const MAX_UNSENT_CONTROL_BYTES = 256 * 1024;

/** Writes frames to a socket, in the order of the calls. */
export class SpdyFrameWriter {
  readonly #socket: Socket;
  #unsentControlBytes = 0;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("drain", () => this.releaseWriters());
  }

  /**
   * Writes a data frame without copying its bytes. Returns false when the socket's buffer is full:
   * then wait for `drained` before the next frame.
   */
  writeData(
    data: { streamId: number; fin: boolean; bytes: Uint8Array },
  ): boolean {
    const header = encodeDataHeader(data);
    if (data.bytes.length === 0) return this.#socket.write(header);
    this.#socket.cork();
    this.#socket.write(header);
    const hasRoom = this.#socket.write(data.bytes);
    this.#socket.uncork();
    return hasRoom;
  }

  /** Resolves when the socket's buffer has room again, or at `releaseWriters`. */
  drained(): Promise<void> {
    this.#drained ??= Promise.withResolvers<void>();
    return this.#drained.promise;
  }

  /** Makes everyone continue who waits for `drained`; for the end of the connection. */
  releaseWriters(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.resolve();
  }

  /**
   * Writes a control frame. Returns false, without writing, when the peer has too many of them
   * unread: they are answers to its own frames, so it must not be able to pile them up.
   */
  writeControl(frame: EncodableFrame): boolean {
    const bytes = encodeFrame(frame);
    if (this.#unsentControlBytes + bytes.length > MAX_UNSENT_CONTROL_BYTES) {
      return false;
    }
    this.#unsentControlBytes += bytes.length;
    this.#socket.write(bytes, () => this.#unsentControlBytes -= bytes.length);
    return true;
  }
}

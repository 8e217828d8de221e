// SPDX-License-Identifier: Apache-2.0
/** Terminal sizes from a resize stream. */
import { fromUtf8, Notifier } from "../../shared/base/mod.ts";
import type { TerminalSize } from "../../shared/exec/mod.ts";

const MAX_OBJECT_BYTES = 1024;
/** The kernel's `struct winsize` has 16 bits for each side. */
const MAX_SIDE = 0xffff;

/**
 * Reads terminal sizes: JSON objects one after the other, `{"Width":80,"Height":24}`, with or
 * without newlines. A slow reader gets only the latest size, since a window that is dragged sends
 * many per second. Ends at the first invalid object, as in the kubelet, and when the stream is
 * reset; never throws.
 */
export function readTerminalSizes(
  source: AsyncIterable<Uint8Array>,
): AsyncIterable<TerminalSize> {
  return new LatestSizes(parseSizes(source));
}

class LatestSizes implements AsyncIterable<TerminalSize> {
  readonly #changed = new Notifier();
  #latest: TerminalSize | undefined;
  #hasEnded = false;

  constructor(sizes: AsyncIterable<TerminalSize>) {
    void this.#collect(sizes);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TerminalSize> {
    for (;;) {
      const size = this.#latest;
      this.#latest = undefined;
      if (size) yield size;
      else if (this.#hasEnded) return;
      else await this.#changed.wait();
    }
  }

  async #collect(sizes: AsyncIterable<TerminalSize>): Promise<void> {
    try {
      for await (const size of sizes) {
        this.#latest = size;
        this.#changed.notify();
      }
    } catch {
      // The stream was reset or the connection ended: the command's signal reports that.
    } finally {
      this.#hasEnded = true;
      this.#changed.notify();
    }
  }
}

async function* parseSizes(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<TerminalSize> {
  let text = "";
  for await (const chunk of source) {
    text += fromUtf8(chunk);
    // Sizes have no nested objects, so the first closing brace ends one.
    for (let end = text.indexOf("}"); end >= 0; end = text.indexOf("}")) {
      const size = parseSize(text.slice(0, end + 1));
      if (!size) return;
      text = text.slice(end + 1);
      yield size;
    }
    if (text.length > MAX_OBJECT_BYTES) return;
  }
}

function parseSize(text: string): TerminalSize | undefined {
  try {
    const { Width: width, Height: height } = JSON.parse(text);
    return isSide(width) && isSide(height) ? { width, height } : undefined;
  } catch {
    return undefined;
  }
}

function isSide(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 &&
    Number(value) <= MAX_SIDE;
}

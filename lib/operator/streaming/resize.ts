// SPDX-License-Identifier: Apache-2.0
/** Terminal sizes of a resize stream: JSON objects one after the other, `{"Width":80,"Height":24}`, with or without newlines. */
import { fromUtf8 } from "../../shared/base/mod.ts";
import type { TerminalSize } from "../../shared/exec/mod.ts";

const MAX_OBJECT_BYTES = 1024;
const MAX_SIDE = 0xffff;

/**
 * Sizes as they come. A reader that lags gets only the latest: a window that is dragged sends many a second.
 * What is no size ends the sizes, as it does at a kubelet; it never throws.
 */
export function readSizes(
  source: AsyncIterable<Uint8Array>,
): AsyncIterable<TerminalSize> {
  let latest: TerminalSize | undefined;
  let ended = false;
  let wake: (() => void) | undefined;
  const collect = async () => {
    try {
      for await (const size of parseSizes(source)) {
        latest = size;
        wake?.();
      }
    } catch {
      // The stream was reset or the client left: whoever runs the command hears of it by its signal.
    } finally {
      ended = true;
      wake?.();
    }
  };
  void collect();
  return {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        if (latest) {
          const size = latest;
          latest = undefined;
          yield size;
        } else if (ended) return;
        else {
          await new Promise<void>((resolve) => wake = resolve);
          wake = undefined;
        }
      }
    },
  };
}

/** Nothing nests in a size, so an object ends at its first closing brace. */
async function* parseSizes(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<TerminalSize> {
  let text = "";
  for await (const chunk of source) {
    text += fromUtf8(chunk);
    for (let end = text.indexOf("}"); end >= 0; end = text.indexOf("}")) {
      const size = toSize(text.slice(0, end + 1));
      if (!size) return;
      text = text.slice(end + 1);
      yield size;
    }
    if (text.length > MAX_OBJECT_BYTES) return;
  }
}

function toSize(text: string): TerminalSize | undefined {
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

// SPDX-License-Identifier: Apache-2.0
/** Walks a YAML document, takes what is right and notes what is not, each with its line. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from "yaml";
import { AranyaError } from "../base/mod.ts";
import { parseDuration } from "./duration.ts";

/** One value in the document, or its absence. */
export interface Place {
  /** Its key with those around it, e.g. "host.exec"; empty at the root. */
  path: string;
  /** Where it stands, or where it is missed. */
  line: number;
  /** Absent when the key is missing or has no value. */
  node: Node | undefined;
}

/** Options of {@linkcode DocumentReader.text}. */
export interface TextOptions {
  /** What the text must match. */
  pattern?: RegExp;
  /** What is expected, for the message, e.g. "an absolute path". */
  expected?: string;
}

/** More characters than any honest file has. */
const MAX_TEXT_LENGTH = 1_000_000;

/** Reads one document; ask {@linkcode DocumentReader.finish} at the end whether all was well. */
export class DocumentReader {
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  readonly #problems: { line: number; text: string }[] = [];

  constructor(text: string, { file }: { file: string }) {
    this.#file = file;
    if (text.length > MAX_TEXT_LENGTH) {
      throw new AranyaError(
        "invalid",
        `Cannot read ${file}: it has ${text.length} characters, expected at most ${MAX_TEXT_LENGTH}`,
      );
    }
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
    });
    for (const { pos, message } of this.#document.errors) {
      this.#problems.push({
        line: this.#lines.linePos(pos[0]).line,
        // A message may quote the file, which holds a secret: its first sentence does not.
        text: message.split("\n")[0] ?? "",
      });
    }
  }

  /** The document itself. */
  get root(): Place {
    return { path: "", line: 1, node: this.#resolve(this.#document.contents) };
  }

  /** Notes a problem. */
  complain(place: Place, problem: string): undefined {
    this.#problems.push({
      line: place.line,
      text: place.path === "" ? problem : `${place.path}: ${problem}`,
    });
  }

  /** The places of these keys in a mapping; every other key in it is a problem. */
  keys<K extends string>(place: Place, known: readonly K[]): Record<K, Place> {
    const places = Object.fromEntries(
      known.map((key) => [
        key,
        { path: this.#join(place, key), line: place.line, node: undefined },
      ]),
    ) as Record<K, Place>;
    if (place.node === undefined) return places;
    if (!isMap(place.node)) {
      this.complain(place, "must be a mapping");
      return places;
    }
    for (const { key, value } of place.node.items) {
      const name = isScalar(key) ? String(key.value) : "";
      const line = this.#lineOf(key) ?? place.line;
      const path = this.#join(place, name);
      if (known.includes(name as K)) {
        places[name as K] = { path, line, node: this.#resolve(value) };
      } else {
        this.complain(
          { path, line, node: undefined },
          `unknown key, expected one of ${known.join(", ")}`,
        );
      }
    }
    return places;
  }

  /** Notes the place as a problem when there is nothing. */
  require<T>(place: Place, value: T | undefined): T | undefined {
    if (place.node === undefined) this.complain(place, "missing");
    return value;
  }

  /** A text. */
  text(place: Place, options: TextOptions = {}): string | undefined {
    if (place.node === undefined) return undefined;
    const { pattern = /./s, expected = "a text" } = options;
    const value = isScalar(place.node) ? place.node.value : undefined;
    if (typeof value === "string" && pattern.test(value)) return value;
    return this.complain(place, `must be ${expected}`);
  }

  /** true or false. */
  flag(place: Place): boolean | undefined {
    if (place.node === undefined) return undefined;
    const value = isScalar(place.node) ? place.node.value : undefined;
    if (typeof value === "boolean") return value;
    return this.complain(place, "must be true or false");
  }

  /** A number not below `least`. */
  number(place: Place, { least }: { least: number }): number | undefined {
    if (place.node === undefined) return undefined;
    const value = isScalar(place.node) ? place.node.value : undefined;
    if (typeof value === "number" && value >= least && value < Infinity) {
      return value;
    }
    return this.complain(place, `must be a number, at least ${least}`);
  }

  /** A duration above zero, in milliseconds. */
  duration(place: Place): number | undefined {
    if (place.node === undefined) return undefined;
    const value = isScalar(place.node) ? place.node.value : undefined;
    try {
      const durationMs = typeof value === "string" ? parseDuration(value) : 0;
      if (durationMs > 0) return durationMs;
    } catch {
      // Said below, in one sentence with all else that is no duration.
    }
    return this.complain(place, 'must be a duration like "1m30s"');
  }

  /** Texts, at least one. */
  texts(place: Place, options: TextOptions = {}): string[] | undefined {
    if (place.node === undefined) return undefined;
    if (!isSeq(place.node) || place.node.items.length === 0) {
      return this.complain(place, "must be a list with at least one entry");
    }
    const texts = place.node.items.map((item, index) => {
      const node = this.#resolve(item);
      const each = {
        path: `${place.path}[${index}]`,
        line: this.#lineOf(item) ?? place.line,
        node,
      };
      return node === undefined
        ? this.complain(each, "missing")
        : this.text(each, options);
    });
    return texts.filter((text) => text !== undefined);
  }

  /** @throws {AranyaError} code "invalid" with every problem noted, in the order of lines */
  finish(): void {
    if (this.#problems.length === 0) return;
    const lines = this.#problems.toSorted((a, b) => a.line - b.line)
      .map(({ line, text }) => `line ${line}: ${text}`);
    throw new AranyaError(
      "invalid",
      `Cannot read ${this.#file}: ${lines.join("; ")}`,
    );
  }

  #join(place: Place, key: string): string {
    return place.path === "" ? key : `${place.path}.${key}`;
  }

  #lineOf(node: unknown): number | undefined {
    const range = (node as Node | null)?.range;
    return range ? this.#lines.linePos(range[0]).line : undefined;
  }

  /** Follows an alias (one that leads nowhere stays, and is the wrong kind of value); a value that is empty or null counts as none. */
  #resolve(node: unknown): Node | undefined {
    const target = isAlias(node) ? node.resolve(this.#document) ?? node : node;
    if (isScalar(target) && target.value === null) return undefined;
    return (target as Node | null) ?? undefined;
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Reads typed values from a YAML document and collects every problem with its line. */
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

/** One key of the document, with or without a value. */
export interface ConfigField {
  /** Its keys from the root, e.g. "host.exec"; empty for the root itself. */
  path: string;
  /** Line of the key; for an absent one, of the mapping that it belongs to. */
  line: number;
  /** Undefined when the key is absent or its value is empty or null. */
  node: Node | undefined;
}

/** Options of {@linkcode DocumentReader.readText}. */
export interface ReadTextOptions {
  /** What the text must match. @default at least one character */
  pattern?: RegExp;
  /** What else must be true of the text. @default nothing */
  isValid?: (text: string) => boolean;
  /** What the two describe, for the message, e.g. "an absolute path". */
  expected?: string;
}

/** What is wrong with one line. */
interface Problem {
  line: number;
  text: string;
}

/** Upper bound of a document's length, in characters. */
const MAX_TEXT_LENGTH = 1_000_000;

/**
 * Reads one document. The methods `read…` return undefined for an absent field; for a value of the
 * wrong kind they record a problem and return undefined too. Call
 * {@linkcode DocumentReader.throwProblems} at the end.
 *
 * @example
 * ```ts
 * const reader = new DocumentReader(text, { file });
 * const fields = reader.readFields(reader.root, ["device", "insecure"]);
 * const device = reader.require(fields.device, reader.readText(fields.device));
 * const insecure = reader.readBoolean(fields.insecure) ?? false;
 * reader.throwProblems();
 * ```
 */
export class DocumentReader {
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  readonly #problems: Problem[] = [];
  readonly #warnings: Problem[] = [];

  /** @throws {AranyaError} code "invalid" when the text is too long */
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
        // Later lines of the message may quote the document, which holds a secret.
        text: message.split("\n")[0] ?? "",
      });
    }
  }

  /** The document itself. */
  get root(): ConfigField {
    return {
      path: "",
      line: 1,
      node: this.#resolveNode(this.#document.contents),
    };
  }

  /** Records a problem of this field. */
  addProblem(field: ConfigField, problem: string): undefined {
    this.#problems.push({
      line: field.line,
      text: field.path === "" ? problem : `${field.path}: ${problem}`,
    });
  }

  /** Returns the fields of a mapping by their keys. A key that is not in `known` is a problem. */
  readFields<K extends string>(
    field: ConfigField,
    known: readonly K[],
  ): Record<K, ConfigField> {
    const fields = Object.fromEntries(
      known.map((key) => [
        key,
        { path: toPath(field, key), line: field.line, node: undefined },
      ]),
    ) as Record<K, ConfigField>;
    if (field.node === undefined) return fields;
    if (!isMap(field.node)) {
      this.addProblem(field, "must be a mapping");
      return fields;
    }
    for (const { key, value } of field.node.items) {
      const name = isScalar(key) ? String(key.value) : "";
      const line = this.#lineOf(key) ?? field.line;
      const path = toPath(field, name);
      if (known.includes(name as K)) {
        fields[name as K] = { path, line, node: this.#resolveNode(value) };
      } else {
        this.addProblem(
          { path, line, node: undefined },
          `unknown key, expected one of ${known.join(", ")}`,
        );
      }
    }
    return fields;
  }

  /** Returns `value`; an absent field is a problem. */
  require<T>(field: ConfigField, value: T | undefined): T | undefined {
    if (field.node === undefined) this.addProblem(field, "missing");
    return value;
  }

  /** Reads a string, which must not be empty unless `pattern` allows it. */
  readText(
    field: ConfigField,
    options: ReadTextOptions = {},
  ): string | undefined {
    if (field.node === undefined) return undefined;
    const { pattern = /./s, isValid = () => true, expected = "a string" } =
      options;
    const value = isScalar(field.node) ? field.node.value : undefined;
    if (typeof value === "string" && pattern.test(value) && isValid(value)) {
      return value;
    }
    return this.addProblem(field, `must be ${expected}`);
  }

  /** Reads a string or a number as text. */
  readScalar(field: ConfigField): string | undefined {
    if (field.node === undefined) return undefined;
    const value = isScalar(field.node) ? field.node.value : undefined;
    if (typeof value === "string" || typeof value === "number") {
      return String(value);
    }
    return this.addProblem(field, "must be a string or a number");
  }

  /** Reads `true` or `false`. */
  readBoolean(field: ConfigField): boolean | undefined {
    if (field.node === undefined) return undefined;
    const value = isScalar(field.node) ? field.node.value : undefined;
    if (typeof value === "boolean") return value;
    return this.addProblem(field, "must be true or false");
  }

  /** Reads a finite number that is at least `min`. */
  readNumber(
    field: ConfigField,
    { min }: { min: number },
  ): number | undefined {
    if (field.node === undefined) return undefined;
    const value = isScalar(field.node) ? field.node.value : undefined;
    if (typeof value === "number" && value >= min && value < Infinity) {
      return value;
    }
    return this.addProblem(field, `must be a number, at least ${min}`);
  }

  /** Reads a duration above zero; returns milliseconds. */
  readDuration(field: ConfigField): number | undefined {
    if (field.node === undefined) return undefined;
    const value = isScalar(field.node) ? field.node.value : undefined;
    try {
      const durationMs = typeof value === "string" ? parseDuration(value) : 0;
      if (durationMs > 0) return durationMs;
    } catch {
      // The same problem as a value of another type, below.
    }
    return this.addProblem(field, 'must be a duration like "1m30s"');
  }

  /**
   * Reads a list of strings, of which at least one must be right. Others are then left out, and are
   * no problem but a warning.
   */
  readTextList(
    field: ConfigField,
    options: ReadTextOptions = {},
  ): string[] | undefined {
    if (field.node === undefined) return undefined;
    if (!isSeq(field.node) || field.node.items.length === 0) {
      return this.addProblem(field, "must be a list with at least one entry");
    }
    const problemCount = this.#problems.length;
    const entries = field.node.items.map((item, index) => {
      const entry = {
        path: `${field.path}[${index}]`,
        line: this.#lineOf(item) ?? field.line,
        node: this.#resolveNode(item),
      };
      return this.require(entry, this.readText(entry, options));
    });
    const texts = entries.filter((text) => text !== undefined);
    if (texts.length > 0) {
      this.#warnings.push(...this.#problems.splice(problemCount));
    }
    return texts;
  }

  /** What was left out, in the order of lines. */
  get warnings(): string[] {
    return toLines(this.#warnings);
  }

  /**
   * Throws when there are problems.
   * @throws {AranyaError} code "invalid"; the message names every problem, in the order of lines
   */
  throwProblems(): void {
    if (this.#problems.length === 0) return;
    throw new AranyaError(
      "invalid",
      `Cannot read ${this.#file}: ${toLines(this.#problems).join("; ")}`,
    );
  }

  /** Returns the line where a node of the document begins. */
  #lineOf(node: unknown): number | undefined {
    const range = (node as Node | null)?.range;
    return range ? this.#lines.linePos(range[0]).line : undefined;
  }

  /**
   * Follows an alias, and returns undefined for an empty or null value. An alias without an anchor
   * is returned as it is, so that it is reported as a value of the wrong kind.
   */
  #resolveNode(node: unknown): Node | undefined {
    const target = isAlias(node) ? node.resolve(this.#document) ?? node : node;
    if (isScalar(target) && target.value === null) return undefined;
    return (target as Node | null) ?? undefined;
  }
}

function toLines(problems: readonly Problem[]): string[] {
  return problems.toSorted((a, b) => a.line - b.line)
    .map(({ line, text }) => `line ${line}: ${text}`);
}

function toPath(parent: ConfigField, key: string): string {
  return parent.path === "" ? key : `${parent.path}.${key}`;
}

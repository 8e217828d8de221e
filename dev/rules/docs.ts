// SPDX-License-Identifier: Apache-2.0
/** Exports without a docstring, from what `deno doc --json` prints. */
import { dirname, fromFileUrl, relative, ROOT } from "../base/paths.ts";

/** One exported symbol or method. */
export interface DocSymbol {
  name: string;
  /** Path from the repository's root. */
  path: string;
  line: number;
  hasDocs: boolean;
  /** Of classes and interfaces. */
  methods: DocSymbol[];
  /** Names of interfaces and classes whose methods' docs hold for this one's too. */
  bases: string[];
}

/** Exports of one room that are declared in its own files. */
export interface RoomDocs {
  room: string;
  symbols: DocSymbol[];
}

/** A part of a node that `deno doc --json` prints (format version 2). */
interface DocNode {
  name?: string;
  jsDoc?: { doc?: string };
  location?: { filename: string; line: number };
  declarations?: DocNode[];
  def?: {
    methods?: DocNode[];
    extends?: string | TypeRef[];
    implements?: TypeRef[];
  };
}

interface TypeRef {
  repr?: string;
}

/**
 * Reads the output of `deno doc --json` for one room's mod.ts.
 * @throws {Error} when it holds no symbol of the room: the format has changed, or all its exports
 * are declared elsewhere
 */
export function toRoomDocs(room: string, output: unknown): RoomDocs {
  const { nodes } = output as {
    nodes?: Record<string, { symbols?: DocNode[] }>;
  };
  const symbols = Object.values(nodes ?? {}).flatMap((file) =>
    file.symbols ?? []
  ).flatMap(({ name, declarations = [] }) =>
    declarations.map((one) => toSymbol({ ...one, name: name ?? "" }))
  ).filter(({ path }) => dirname(path) === `lib/${room}`);
  if (symbols.length === 0) {
    throw new Error(`Cannot check docs of lib/${room}: no exports found`);
  }
  return { room, symbols };
}

function toSymbol(node: DocNode): DocSymbol {
  const { def } = node;
  const bases = [
    ...typeof def?.extends === "string" ? [def.extends] : [],
    ...Array.isArray(def?.extends) ? def.extends.map(toName) : [],
    ...(def?.implements ?? []).map(toName),
  ];
  return {
    name: node.name ?? "",
    path: node.location?.filename.startsWith("file:")
      ? relative(ROOT, fromFileUrl(node.location.filename))
      : "",
    line: (node.location?.line ?? 0) + 1,
    hasDocs: Boolean(node.jsDoc?.doc),
    methods: (def?.methods ?? []).map(toSymbol),
    bases,
  };
}

function toName(type: TypeRef): string {
  return type.repr ?? "";
}

/** Returns the symbols and methods of a room without a docstring, as `path:line name`. */
export function findUndocumented({ symbols }: RoomDocs): string[] {
  const byName = new Map(symbols.map((symbol) => [symbol.name, symbol]));
  /** Whether a base declares the method, or may do so because it is of another room. */
  const isInherited = (method: string, { bases }: DocSymbol): boolean =>
    bases.some((base) => {
      const found = byName.get(base);
      return found === undefined ||
        found.methods.some(({ name }) => name === method) ||
        isInherited(method, found);
    });
  return symbols.filter(({ path }) => !path.endsWith("/_gen.ts")).flatMap(
    (symbol) => [
      ...symbol.hasDocs ? [] : [`${symbol.path}:${symbol.line} ${symbol.name}`],
      ...symbol.methods.filter(({ name, hasDocs }) =>
        !hasDocs && !name.startsWith("[") && !isInherited(name, symbol)
      ).map(({ name, path, line }) => `${path}:${line} ${symbol.name}.${name}`),
    ],
  );
}

// SPDX-License-Identifier: Apache-2.0
/** What a reviewer may want to look at; each asks whether one thing holds two topics. */
import { dirname, join, ROOT } from "../base/paths.ts";
import { MAX_COMMENT_COLUMNS } from "./lint_plugin.ts";
import { type FileFacts, listFiles, readFacts } from "./source_facts.ts";

const MAX_FILE_LINES = 400;
const MAX_ROOM_FILES = 14;
const MAX_FUNCTION_LINES = 60;
const MAX_CLASS_FIELDS = 10;

/** A source file: its text by lines, and its facts. */
export interface Source {
  path: string;
  lines: string[];
  facts: FileFacts;
}

/** Something to look at. */
export interface Signal {
  text: string;
  size: number;
}

/** Signals of one kind. */
export interface SignalGroup {
  heading: string;
  /** By falling size. */
  signals: Signal[];
}

/** Reads all source files of the repository but generated ones. */
export async function readSources(): Promise<Source[]> {
  const paths = (await listFiles("*.ts")).filter((path) =>
    !path.endsWith("/_gen.ts")
  );
  const facts = await readFacts(paths);
  return await Promise.all(paths.map(async (path) => {
    const text = await Deno.readTextFile(join(ROOT, path));
    const found = facts.get(path);
    if (!found) throw new Error(`Cannot review ${path}: no facts`);
    return { path, lines: text.trimEnd().split("\n"), facts: found };
  }));
}

function longFiles(sources: Source[]): Signal[] {
  return sources.filter(({ lines }) => lines.length > MAX_FILE_LINES).map((
    { path, lines },
  ) => ({ text: `${path}: ${lines.length} lines`, size: lines.length }));
}

function largeRooms(sources: Source[]): Signal[] {
  const rooms = Map.groupBy(sources, ({ path }) => dirname(path));
  return [...rooms].filter(([, { length }]) => length > MAX_ROOM_FILES).map((
    [room, { length }],
  ) => ({ text: `${room}: ${length} files`, size: length }));
}

function longFunctions(sources: Source[]): Signal[] {
  return sources.flatMap(({ path, facts }) =>
    facts.functions.filter(({ lineCount }) => lineCount > MAX_FUNCTION_LINES)
      .map(({ name, line, lineCount }) => ({
        text: `${path}:${line} ${name}: ${lineCount} lines`,
        size: lineCount,
      }))
  );
}

function wideClasses(sources: Source[]): Signal[] {
  return sources.flatMap(({ path, facts }) =>
    facts.classes.filter(({ fieldCount }) => fieldCount > MAX_CLASS_FIELDS)
      .map(({ name, line, fieldCount }) => ({
        text: `${path}:${line} ${name}: ${fieldCount} fields`,
        size: fieldCount,
      }))
  );
}

/** Returns the numbers of the lines that a comment covers. */
export function commentLines({ facts }: Source): Set<number> {
  return new Set(facts.comments.flatMap(({ firstLine, lastLine }) =>
    Array.from(
      { length: lastLine - firstLine + 1 },
      (_, index) => firstLine + index,
    )
  ));
}

/** Returns the comment lines over {@linkcode MAX_COMMENT_COLUMNS} columns, as `path:line`. */
export function wideComments(sources: Source[]): Signal[] {
  return sources.flatMap((source) =>
    [...commentLines(source)].flatMap((line) => {
      const width = source.lines[line - 1]?.length ?? 0;
      return width > MAX_COMMENT_COLUMNS
        ? [{ text: `${source.path}:${line}: ${width} columns`, size: width }]
        : [];
    })
  );
}

function commentShares(sources: Source[]): Signal[] {
  const rooms = Map.groupBy(sources, ({ path }) => dirname(path));
  return [...rooms].map(([room, files]) => {
    const lineCount = files.flatMap(({ lines }) => lines)
      .filter((line) => line.trim() !== "").length;
    const commentCount = files.reduce(
      (sum, source) => sum + commentLines(source).size,
      0,
    );
    const percent = 100 * commentCount / lineCount;
    return {
      text: `${percent.toFixed(0).padStart(3)} %  ${room}`,
      size: percent,
    };
  });
}

/** Returns all signals of these files, by kind. */
export function findSignals(sources: Source[]): SignalGroup[] {
  const code = sources.filter(({ path }) => !path.startsWith("tests/"));
  const groups: SignalGroup[] = [
    {
      heading: `files over ${MAX_FILE_LINES} lines`,
      signals: longFiles(sources),
    },
    {
      heading: `folders over ${MAX_ROOM_FILES} files`,
      signals: largeRooms(code),
    },
    {
      heading: `functions over ${MAX_FUNCTION_LINES} lines, closures included`,
      signals: longFunctions(code),
    },
    {
      heading: `classes over ${MAX_CLASS_FIELDS} fields`,
      signals: wideClasses(code),
    },
    {
      heading: `comment lines over ${MAX_COMMENT_COLUMNS} columns`,
      signals: wideComments(sources),
    },
    { heading: "share of comment lines", signals: commentShares(code) },
  ];
  for (const { signals } of groups) signals.sort((a, b) => b.size - a.size);
  return groups;
}

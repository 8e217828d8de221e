// SPDX-License-Identifier: Apache-2.0
/** Comments and sentences use standard terms: none of the words that the house style replaces. */
import assert from "node:assert/strict";
import { readSources, type Source } from "../../dev/rules/signals.ts";

/** Words that have a standard term in this project's field, with that term. */
const REPLACED: [word: RegExp, term: string][] = [
  [/\bwish(?:es|ed)?\b/i, "desired"],
  [/\bshall\b/i, "should, or the present tense"],
  [/\blook(?:s|ed)? again\b/i, "sync, requeue"],
  [/\b(?:wakes?|woken?|waking)\b/i, "enqueue, notify"],
  [/\b(?:tells?|told)\b/i, "report, send"],
  [/\b(?:hears?|heard)\b/i, "receive"],
  [/\b(?:says?|said)\b/i, "report, send, contain"],
  [/\bcarr(?:y|ies|ied|ying) out\b/i, "execute"],
  [/\bsurroundings\b/i, "dependencies, context"],
  [/\btroubles?\b/i, "problem condition"],
  [/\bsetbacks?\b/i, "reconcile error"],
  [/\brivals?\b/i, "duplicate"],
  [/\bstrangers?\b/i, "unauthenticated client"],
  [/\b(?:nobody|somebody)\b/i, "no client, another user, …"],
  [/\bfor ever\b/i, "without a limit"],
  [/\bconversations?\b/i, "stream"],
  [/\bcalm(?:s|ed)?\b/i, "normal priority"],
  [/\b(?:stages?|plays?|sketch(?:es)?|story|stories)\b/i, "fixture, scenario"],
];

/** Words that are data in some strings, so that only comments are checked. */
const REPLACED_IN_COMMENTS: [word: RegExp, term: string][] = [
  [/\bgone\b/, "terminated, closed, deleted"],
  [/\bspent\b/, "expired, used"],
];

let sources: Source[];
Deno.test.beforeAll(async () => {
  // This file quotes the words.
  sources = (await readSources()).filter(({ path }) =>
    !import.meta.url.endsWith(path)
  );
});

function find(
  texts: { text: string; line: number }[],
  words: [RegExp, string][],
): string[] {
  return texts.flatMap(({ text, line }) => {
    // A phrase may be broken between two lines of a comment.
    const plain = text.replace(/\s*\n\s*\*?\s*/g, " ");
    return words.flatMap(([word, term]) => {
      const found = plain.match(word);
      return found ? [`${line}: "${found[0]}": ${term}`] : [];
    });
  });
}

function findInSource({ facts }: Source): string[] {
  const comments = facts.comments.map(({ text, firstLine }) => ({
    text,
    line: firstLine,
  }));
  // Single words are data: keys, names, file contents.
  const sentences = facts.strings.filter(({ text }) => /\S\s+\S/.test(text));
  return [
    ...find(comments, [...REPLACED, ...REPLACED_IN_COMMENTS]),
    ...find(sentences, REPLACED),
  ];
}

Deno.test("comments and sentences use the terms of the house style", () => {
  assert.ok(sources.length > 400, `${sources.length} files`);
  const problems = sources.flatMap((source) =>
    findInSource(source).map((problem) => `${source.path}:${problem}`)
  );
  assert.deepEqual(problems, []);
});

Deno.test("the check finds a replaced word in a comment and in a sentence", () => {
  const texts = (...lines: string[]) =>
    lines.map((text, index) => ({ text, line: index + 1 }));
  assert.deepEqual(
    find(
      texts("Sends it.", "Tells\n * the peer.", "What shall\n * run"),
      REPLACED,
    ),
    ['2: "Tells": report, send', '3: "shall": should, or the present tense'],
  );
  assert.deepEqual(
    find(texts("to look\n * again"), REPLACED),
    ['1: "look again": sync, requeue'],
  );
});

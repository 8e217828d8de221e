// SPDX-License-Identifier: Apache-2.0
/** The room table as Markdown, and its place in docs/architecture.md. */
import { join, ROOT } from "../base/paths.ts";
import { type RoomRule, ROOMS } from "./rooms.ts";

/** The page that holds the table. */
export const TABLE_PAGE: string = join(ROOT, "docs/architecture.md");

const BEGIN = "<!-- rooms -->";
const END = "<!-- /rooms -->";

/** Returns the table as Markdown, without a trailing newline. */
export function renderRoomTable(): string {
  return [
    "| room | what it is for | may import | packages and runtime functions |",
    "|---|---|---|---|",
    ...[...ROOMS].map(([name, rule]) => renderRow(name, rule)),
  ].join("\n");
}

function renderRow(name: string, rule: RoomRule): string {
  const outside = [
    ...rule.packages ?? [],
    ...(rule.deno ?? []).map((member) => `Deno.${member}`),
  ];
  const cells = [
    `[\`${name}\`](../lib/${name}/mod.ts)`,
    rule.summary,
    rule.imports.join(", ") || "–",
    outside.map((one) => `\`${one}\``).join(", ") || "–",
  ];
  return `| ${cells.join(" | ")} |`;
}

/**
 * Returns the page's text with the table between its markers.
 * @throws {Error} unless the page has each marker once, in order
 */
export function withRoomTable(page: string): string {
  const [before = "", rest = "", ...more] = page.split(`${BEGIN}\n`);
  const [, after, ...others] = rest.split(`${END}\n`);
  if (after === undefined || more.length > 0 || others.length > 0) {
    throw new Error(
      `Cannot write the room table: expected "${BEGIN}" and "${END}" once, each on its own line`,
    );
  }
  return `${before}${BEGIN}\n${renderRoomTable()}\n${END}\n${after}`;
}

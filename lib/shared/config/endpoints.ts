// SPDX-License-Identifier: Apache-2.0
/** Changes the endpoints in the text of an agent.yaml. */
import { isMap, isScalar, isSeq, parseDocument, type YAMLSeq } from "yaml";
import { AranyaError, isEndpoint } from "../base/mod.ts";
import { parseAgentConfig } from "./parse.ts";

/**
 * Returns the text of an agent.yaml whose list is exactly these endpoints: lines with other
 * endpoints are removed, missing endpoints are appended. Everything else stays the same: comments,
 * and entries that are no endpoints.
 * @param endpoints present ones in the order of the text, followed by new ones
 * @throws {AranyaError} code "invalid" when the text is no agent.yaml, or doesn't list one endpoint
 * per line
 */
export function replaceEndpoints(
  text: string,
  endpoints: readonly string[],
): string {
  const sequence = findSequence(text);
  const changed = sequence && changeSequence(text, { sequence, endpoints });
  const expected = toComparable(text, endpoints);
  if (changed === undefined || toComparable(changed) !== expected) {
    throw new AranyaError(
      "invalid",
      'Cannot change endpoints: agent.yaml does not list one endpoint per line, expected "endpoints:" and lines "  - host:port"',
    );
  }
  return changed;
}

/** Returns the content of a text, with other endpoints if they are given, as JSON. */
function toComparable(text: string, endpoints?: readonly string[]): string {
  // Lines of warnings move.
  const { warnings: _warnings, ...config } = parseAgentConfig(text, {
    file: "agent.yaml",
  });
  return JSON.stringify({
    ...config,
    endpoints: endpoints ?? config.endpoints,
  });
}

function findSequence(text: string): YAMLSeq | undefined {
  const { contents } = parseDocument(text);
  const value = isMap(contents) ? contents.get("endpoints") : undefined;
  return isSeq(value) ? value : undefined;
}

function changeSequence(
  text: string,
  { sequence, endpoints }: {
    sequence: YAMLSeq;
    endpoints: readonly string[];
  },
): string | undefined {
  const values = new Map<number, unknown>();
  for (const item of sequence.items) {
    if (!isScalar(item) || !item.range) return undefined;
    values.set(text.slice(0, item.range[0]).split("\n").length - 1, item.value);
  }
  const lines = text.split("\n");
  const last = Math.max(...values.keys());
  const [, prefix, lineEnd = ""] =
    (lines[last] ?? "").match(/^(\s*-\s+).*?(\r?)$/) ?? [];
  // In "[a, b]" several items are on a line.
  if (prefix === undefined || values.size !== sequence.items.length) {
    return undefined;
  }
  const present = [...values.values()];
  const added = endpoints.filter((endpoint) => !present.includes(endpoint))
    .map((endpoint) => `${prefix}${JSON.stringify(endpoint)}${lineEnd}`);
  return lines.flatMap((line, index) => {
    const value = values.get(index);
    const isKept = typeof value !== "string" || !isEndpoint(value) ||
      endpoints.includes(value);
    return [...(isKept ? [line] : []), ...(index === last ? added : [])];
  }).join("\n");
}

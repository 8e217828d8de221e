// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  parseAgentConfig,
  renderAgentConfig,
  replaceEndpoints,
} from "../../../lib/shared/config/mod.ts";

const KEY = btoa(String.fromCharCode(...new Uint8Array(32).fill(7)));
const REST = `device: edge-1
credential: ${KEY} # mine
`;

for (
  const [name, before, endpoints, after] of [
    ["appends to one", "  - a:1\n", ["a:1", "b:2"], '  - a:1\n  - "b:2"\n'],
    [
      "keeps comments and quotes",
      "  # by NAT\n  - 'a:1' # first\n  - b:2\n  # last\n",
      ["a:1", "c:3"],
      "  # by NAT\n  - 'a:1' # first\n  - \"c:3\"\n  # last\n",
    ],
    ["replaces all", "- a:1\n- b:2\n", ["[fd00::1]:3"], '- "[fd00::1]:3"\n'],
    [
      "keeps line ends",
      "  - a:1\r\n",
      ["a:1", "b:2"],
      '  - a:1\r\n  - "b:2"\r\n',
    ],
    [
      "keeps what is no endpoint",
      "  - a:99999 # typo\n  - b:2\n",
      ["c:3"],
      '  - a:99999 # typo\n  - "c:3"\n',
    ],
    ["changes nothing", "  - a:1\n", ["a:1"], "  - a:1\n"],
  ] as const
) {
  Deno.test(`replaceEndpoints() ${name}`, () => {
    for (const [front, back] of [["", REST], [REST, ""]]) {
      assert.equal(
        replaceEndpoints(`${front}endpoints:\n${before}${back}`, endpoints),
        `${front}endpoints:\n${after}${back}`,
      );
    }
  });
}

Deno.test("replaceEndpoints() changes what the operator renders", () => {
  const credential = new Uint8Array(32).fill(7);
  const config = {
    device: "edge-1",
    credential,
    ca: "-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n",
  };
  const before = renderAgentConfig({ ...config, endpoints: ["a:1", "b:2"] });
  const after = renderAgentConfig({ ...config, endpoints: ["b:2", "c:3"] });
  assert.equal(replaceEndpoints(before, ["b:2", "c:3"]), after);
  const { endpoints } = parseAgentConfig(after, { file: "x" });
  assert.deepEqual(endpoints, ["b:2", "c:3"]);
});

for (
  const [name, text, code] of [
    ["a list on one line", `endpoints: [a:1, b:2]\n${REST}`, "invalid"],
    ["another order", `endpoints:\n- b:2\n- a:1\n${REST}`, "invalid"],
    ["no agent.yaml", "endpoints:\n- a:1\n", "invalid"],
  ] as const
) {
  Deno.test(`replaceEndpoints() refuses ${name}`, () => {
    assert.throws(() => replaceEndpoints(text, ["a:1", "b:2", "c:3"]), {
      code,
    });
  });
}

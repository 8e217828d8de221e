// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  DEFAULT_EVICTION,
  parseAgentConfig,
  type RenderableConfig,
  renderAgentConfig,
} from "../../../lib/shared/config/mod.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const MINIMAL: RenderableConfig = {
  device: "edge-1",
  endpoints: ["10.0.0.1:9443"],
  credential: new Uint8Array(32).fill(255),
};

Deno.test("renderAgentConfig() is the inverse of parseAgentConfig()", () => {
  const full: RenderableConfig = {
    ...MINIMAL,
    endpoints: ["a.example:443", "[fd00::1]:9443"],
    ca: PEM + PEM,
    insecure: true,
    serverName: "edge.example",
    backoff: { initialDelayMs: 1500, maxDelayMs: 90_000, factor: 1.5 },
    offlineAfterMs: 40_000,
  };
  for (const config of [MINIMAL, full]) {
    const text = renderAgentConfig(config);
    const parsed = parseAgentConfig(text, { file: "agent.yaml" });
    for (const [key, value] of Object.entries(config)) {
      assert.deepEqual(parsed[key as keyof typeof parsed], value, key);
    }
    assert.equal(renderAgentConfig(config), text);
  }
});

Deno.test("renderAgentConfig() lists each switch of the host as true", () => {
  const text = renderAgentConfig(MINIMAL);
  for (const name of ["exec", "attach", "logs", "portForward"]) {
    assert.match(text, new RegExp(`^  ${name}: true # `, "m"));
    const off = text.replace(`  ${name}: true`, `  ${name}: false`);
    const { host } = parseAgentConfig(off, { file: "agent.yaml" });
    assert.equal(host[name as "exec"], false);
  }
});

Deno.test("renderAgentConfig() has only valid keys in its comments", () => {
  const uncommented = renderAgentConfig(MINIMAL)
    .replaceAll(
      /^( *)# (shell|logFile|stateDir|stateKeyFile|runtime| {2}docker| {4}host):/gm,
      "$1$2:",
    );
  const config = parseAgentConfig(uncommented, { file: "agent.yaml" });
  assert.equal(config.host.shell, "/bin/bash");
  assert.equal(config.runtime.docker.host, "unix:///var/run/docker.sock");
  assert.equal(config.stateDir, "/var/lib/aranya/edge-1");
});

Deno.test("renderAgentConfig() shows eviction settings that change nothing when the comment marks are removed", () => {
  const text = renderAgentConfig(MINIMAL);
  const [, section = ""] = text.split("are the defaults:\n");
  const settings = section.match(/^(#.*\n)+/)?.[0] ?? "";
  const uncommented = settings.replaceAll(/^# /gm, "");
  assert.match(uncommented, /^eviction:\n {2}hard:\n/);
  const { eviction } = parseAgentConfig(text.replace(settings, uncommented), {
    file: "agent.yaml",
  });
  assert.deepEqual(eviction, DEFAULT_EVICTION);
});
